"""control/goodmailfrom: senders that the excusable checks leave alone (SPEC section 5, MAIL 5)."""

from __future__ import annotations

from ..checker import Checker
from ._addresslist import match

TYPE_CHECKING = False
if TYPE_CHECKING:
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

    def mail(self, session: Session, event: Mail) -> None:
        session.because = match(self._listed, event.address or b"")
        if session.because and session.transaction:
            session.transaction.excused = True
