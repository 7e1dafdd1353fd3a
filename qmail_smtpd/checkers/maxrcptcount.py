"""MAXRCPTCOUNT: the most recipients that a message may have; 0 is no limit (SPEC section 5, RCPT 6)."""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Rcpt
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    most = config.number("MAXRCPTCOUNT", 0)
    return MaxRcptCount(most) if most else None


class MaxRcptCount(Checker):
    counts = True

    def __init__(self, most: int) -> None:
        self._most = most

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        assert session.transaction is not None
        return replies.TOO_MANY_RECIPIENTS if session.transaction.counted >= self._most else None
