"""DKIMVERIFY: verify the DKIM signatures of a message and record the results (SPEC section 17; RFC 6376).

Refuses nothing: an invalid signature is treated like no signature. What a domain's owner wants done with such mail is
for dmarc.py to find out.
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
    """For a parent that forks: import what `message` needs. Opens no socket."""
    from ..net import resolver  # noqa: F401

    _dkim.preload()


class Dkim(Checker):
    holds = True

    def message(self, session: Session, event: EndOfMessage) -> Pass | None:
        return passes(b"; ".join(map(_shown, _dkim.found(session))))


def _shown(result: Result) -> bytes:
    """A result as text: value, domain, reason and the key record."""
    parts = [f"dkim={result.value}".encode(), result.domain, result.reason.encode(errors="replace"), result.record]
    return b" ".join(part for part in parts if part)
