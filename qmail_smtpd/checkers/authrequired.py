"""AUTHREQUIRED: no MAIL without authentication, unless the environment says AUTHORIZED (SPEC section 5, MAIL 2)."""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Mail
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    return None if config.switch("AUTHORIZED") else AuthRequired()


class AuthRequired(Checker):
    def mail(self, session: Session, event: Mail) -> Reply | None:
        return replies.AUTHENTICATE_FIRST if session.user is None else None
