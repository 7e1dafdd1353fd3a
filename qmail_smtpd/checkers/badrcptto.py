"""control/badrcptto: recipients to refuse, also for clients that may relay (SPEC section 5, RCPT 4)."""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies
from ._addresslist import match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..control.files import ListFile
    from ..session.facts import Session
    from ..smtp.events import Rcpt
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    listed = config.files["badrcptto"]
    return BadRcptTo(listed) if listed else None


class BadRcptTo(Checker):
    def __init__(self, listed: ListFile) -> None:
        self._listed = listed

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        reason = match(self._listed, event.address or b"")
        return replies.BAD_RECIPIENT.with_reason(reason) if reason else None
