"""NOBOUNCE: no mail with an empty sender (SPEC section 5, MAIL 8)."""

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
    return NoBounce()


class NoBounce(Checker):
    def mail(self, session: Session, event: Mail) -> Reply | None:
        return replies.NO_BOUNCES if session.transaction and session.transaction.bounce else None
