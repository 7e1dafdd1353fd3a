"""AUTHREQUIRED: no MAIL without authentication, unless the environment says AUTHORIZED (SPEC section 5, MAIL 2)."""

from __future__ import annotations

from .. import replies
from ..chain import Checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..config import Config
    from ..events import Mail
    from ..replies import Reply
    from ..session import Session


def setup(config: Config) -> Checker | None:
    return None if config.switch("AUTHORIZED") else AuthRequired()


class AuthRequired(Checker):
    def mail(self, session: Session, event: Mail) -> Reply | None:
        return replies.AUTHENTICATE_FIRST if session.user is None else None
