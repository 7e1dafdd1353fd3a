"""DKIMVERIFY: the DKIM signatures of a message are verified, and the results recorded (SPEC section 17; RFC 6376).

Nothing is refused for a signature: mail without one is as good. What a domain wants done is DMARC's business.
"""

from __future__ import annotations

from ..checker import Checker, passes
from . import _dkim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..mailauth.results import Result
    from ..session.facts import Session
    from ..smtp.events import EndOfMessage


def setup(config: Config) -> Checker | None:
    return Dkim()


def preload() -> None:
    """For a parent that forks: import what `message` needs. No socket comes of it."""
    from ..net import resolver  # noqa: F401

    _dkim.preload()


class Dkim(Checker):
    holds = True

    def message(self, session: Session, event: EndOfMessage) -> Pass | None:
        return passes(b"; ".join(map(_shown, _dkim.found(session))))


def _shown(result: Result) -> bytes:
    """The result, whose it is, why, and the record with the key."""
    parts = [f"dkim={result.value}".encode(), result.domain, result.reason.encode(errors="replace"), result.record]
    return b" ".join(part for part in parts if part)
