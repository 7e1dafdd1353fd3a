"""SPFBEHAVIOR (else control/spfbehavior): whether a domain's SPF record allows the client to send mail for it.

    0   no SPF check                              3   like 2, and fail is refused (550)
    1   the result is only recorded               4   like 3, and softfail is refused
    2   like 1, and temperror is deferred (451)   5   like 4, and neutral is refused
                                                  6   like 5, and none is refused

The numbers are those of the SPF patch for qmail. permerror is only recorded. Clients that may relay and senders in
goodmailfrom are not checked (SPEC section 17; RFC 7208 section 8, RFC 7372).
"""

from __future__ import annotations

from ..checker import Checker, defer, passes, reject
from ..mailauth import spf
from ._spf import Spf, origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Mail
    from ..smtp.replies import Reply

# The lowest SPFBEHAVIOR at which a result is refused or deferred; results that are not here never are.
REFUSED_FROM = {spf.TEMPERROR: 2, spf.FAIL: 3, spf.SOFTFAIL: 4, spf.NEUTRAL: 5, spf.NONE: 6}
LONGEST_RECORD = 500  # bytes of a record in a log line

_ASCII = bytes(byte if byte < 127 else ord("?") for byte in range(256))


def setup(config: Config) -> Checker | None:
    behavior = config.behavior("spfbehavior")
    return SpfCheck(Spf(config), behavior) if behavior else None


def preload() -> None:
    """For a parent that forks: import what `mail` needs. Opens no socket."""
    from ..net import resolver  # noqa: F401


class SpfCheck(Checker):
    exemptible = True

    def __init__(self, spf: Spf, behavior: int) -> None:
        self._spf = spf
        self._behavior = behavior

    def mail(self, session: Session, event: Mail) -> Reply | Pass | None:
        assert session.transaction is not None
        if session.transaction.relayclient is not None:
            return None
        found = self._spf.found(session)
        refused_from = REFUSED_FROM.get(found.result)
        if refused_from is None or self._behavior < refused_from:
            return passes(reason(found))
        return refusal(found, session.client.ip)


def refusal(found: spf.SpfResult, ip: bytes) -> Reply:
    """The reply for a result that is refused or deferred."""
    domain = found.domain or b"the sender"
    if found.result == spf.TEMPERROR:
        text = _readable(b"cannot look up the SPF record of %b now" % domain)
        return defer(text, 451, b"4.4.3", reason(found))
    if found.result == spf.NONE:
        text = b"SPF none: %b does not say who may send for it" % domain
    elif found.explained_by:
        text = b"SPF fail, %b explains: %b" % (found.explained_by, found.explanation)
    else:
        why = found.explanation or b"%b may not send for %b" % (ip, domain)
        text = b"SPF %b: %b" % (found.result.encode(), why)
    return reject(_readable(text), 550, b"5.7.23", reason(found))


def reason(found: spf.SpfResult) -> bytes:
    """The result, where it comes from, and the record, cut to LONGEST_RECORD, for the log."""
    text = b"spf=%b %b" % (found.result.encode(), origin(found))
    return text.rstrip() + (b": " + found.record[:LONGEST_RECORD] if found.record else b"")


def _readable(text: bytes) -> bytes:
    """A text from the DNS with ? for bytes that are not ASCII; defer() and reject() replace control bytes."""
    return text.translate(_ASCII)
