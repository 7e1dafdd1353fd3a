"""control/goodmailfrom: senders that the excusable checks leave alone (SPEC section 5, MAIL 5)."""

from __future__ import annotations

from ..addresslist import match
from ..chain import Checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..config import Config
    from ..control import ListFile
    from ..events import Mail
    from ..session import Session


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
