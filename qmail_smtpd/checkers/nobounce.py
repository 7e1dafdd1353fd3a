"""NOBOUNCE: refuse mail with an empty sender (SPEC section 5, MAIL 8)."""

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
    return NoBounce()


class NoBounce(Checker):
    def mail(self, session: Session, event: Mail) -> Reply | None:
        return replies.NO_BOUNCES if session.transaction and session.transaction.bounce else None
