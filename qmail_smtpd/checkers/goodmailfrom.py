"""control/goodmailfrom: senders that are exempt from most checks (SPEC section 5, MAIL 5)."""

from __future__ import annotations

from ..checker import Checker, passes
from ._addresslist import match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..control.files import ListFile
    from ..session.facts import Session
    from ..smtp.events import Mail


def setup(config: Config) -> Checker | None:
    listed = config.files["goodmailfrom"]
    return GoodMailFrom(listed) if listed else None


class GoodMailFrom(Checker):
    def __init__(self, listed: ListFile) -> None:
        self._listed = listed

    def mail(self, session: Session, event: Mail) -> Pass | None:
        reason = match(self._listed, event.address or b"")
        if reason and session.transaction:
            session.transaction.exempt = True
        return passes(reason)
