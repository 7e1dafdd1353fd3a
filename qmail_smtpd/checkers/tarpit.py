"""TARPITCOUNT, TARPITDELAY: from recipient number TARPITCOUNT on, delay the reply to each (SPEC section 5, RCPT 9)."""

from __future__ import annotations

from ..checker import Checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Rcpt

DEFAULT_DELAY = 5  # seconds


def setup(config: Config) -> Checker | None:
    count, delay = config.number("TARPITCOUNT", 0), config.number("TARPITDELAY", DEFAULT_DELAY)
    return Tarpit(count, delay) if count and delay else None


class Tarpit(Checker):
    def __init__(self, count: int, delay: int) -> None:
        self._count = count
        self._delay = delay

    def rcpt(self, session: Session, event: Rcpt) -> None:
        assert session.transaction is not None
        if session.transaction.counted + 1 >= self._count:
            session.pause(self._delay)
