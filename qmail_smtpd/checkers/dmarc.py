"""DMARCBEHAVIOR (else control/dmarcbehavior): what becomes of mail that nobody whom its author knows vouches for.

    0   DMARC is not asked               2   and temperror is deferred (451)
    1   the result is recorded only      3   and fail is refused (550) where the author's policy is reject

SPF and DKIM are asked for it, also where they are off. A message without one author's domain is a permerror, which is
recorded only. Clients that may relay are not checked, and those that control/spfrules let pass for the author's domain
are not refused (SPEC section 17; RFC 9989, RFC 7372).
"""

from __future__ import annotations

from ..checker import Checker, defer, passes, reject
from ..mailauth.dmarc_record import REJECT
from ..mailauth.results import Result
from . import _authentication, _dkim
from ._spf import Spf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..mailauth.dmarc import DmarcResult
    from ..session.facts import Session
    from ..smtp.events import EndOfMessage
    from ..smtp.replies import Reply

DEFERS, REFUSES = 2, 3  # the behaviors


def setup(config: Config) -> Checker | None:
    behavior = config.behavior("dmarcbehavior")
    return Dmarc(Spf(config), behavior) if behavior else None


def preload() -> None:
    """For a parent that forks: import what `message` needs. No socket comes of it."""
    from ..mailauth import dmarc, from_field  # noqa: F401
    from ..net import resolver  # noqa: F401

    _dkim.preload()


class Dmarc(Checker):
    holds = True

    def __init__(self, spf: Spf, behavior: int) -> None:
        self._spf = spf
        self._behavior = behavior

    def message(self, session: Session, event: EndOfMessage) -> Reply | Pass | None:
        assert session.transaction is not None
        if session.transaction.relayclient is not None:
            return None
        author, verdict = self._judge(session)
        why = because(verdict)
        if verdict.result == "temperror" and self._behavior >= DEFERS:
            return defer(b"cannot find out now whether this is mail of %b (DMARC)" % author, 451, b"4.7.0", why)
        fails = verdict.result == "fail" and verdict.policy == REJECT
        if fails and self._behavior >= REFUSES and not self._excused(session, author):
            return reject(b"the DMARC policy of %b is to refuse this message" % author, 550, b"5.7.26", why)
        return passes(why)

    def _excused(self, session: Session, author: bytes) -> bool:
        """Whether control/spfrules let the client pass, and it would be a pass if the domain had."""
        from ..mailauth import dmarc

        known = _authentication.of(session)
        ours = [each.domain for each in known.results if (each.method, each.value) == ("spf", "policy")]
        as_if = [dmarc.Identifier("spf", "pass", domain) for domain in ours]
        return dmarc.evaluate(author, as_if, known.lookup).result == "pass"

    def _judge(self, session: Session) -> tuple[bytes, DmarcResult]:
        """The author's domain and the verdict, which the others know of from now on."""
        from ..mailauth import dmarc, from_field

        assert session.transaction is not None and session.transaction.held is not None
        known = _authentication.of(session)
        author = b""
        try:
            author = from_field.author_domain(session.transaction.held.fields)
        except from_field.NoAuthor as trouble:
            verdict = dmarc.DmarcResult("permerror", str(trouble))
        else:
            self._spf.found(session)
            _dkim.found(session)
            vouching = [dmarc.Identifier(each.method, each.value, each.domain) for each in known.results]
            verdict = dmarc.evaluate(author, vouching, known.lookup)
        properties = [("header.from", author), ("policy.dmarc", verdict.policy or b"")]
        known.add(Result("dmarc", verdict.result, properties, author, verdict.reason, verdict.record))
        return author, verdict


def because(verdict: DmarcResult) -> bytes:
    """The result, where it comes from and the record, for the log and for explain."""
    parts = [f"dmarc={verdict.result}".encode(), verdict.reason.encode(errors="replace")]
    if verdict.record:
        parts.append(b"_dmarc.%b: %b" % (verdict.domain, verdict.record))
    return b", ".join(part for part in parts if part)
