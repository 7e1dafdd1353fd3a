"""DMARCBEHAVIOR (else control/dmarcbehavior): whether SPF or DKIM confirms the domain in a message's From field.

    0   no DMARC check                   2   like 1, and temperror is deferred (451)
    1   the result is only recorded      3   like 2, and fail is refused (550) if the domain's policy is reject

SPF and DKIM are determined for it, also if they are not configured. A message whose From field does not have exactly
one domain is a permerror, which is only recorded. Clients that may relay are not checked, and those that
control/spfrules lets pass for the domain are not refused (SPEC section 17; RFC 9989, RFC 7372).
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

DEFERS, REFUSES = 2, 3  # values of DMARCBEHAVIOR


def setup(config: Config) -> Checker | None:
    behavior = config.behavior("dmarcbehavior")
    return Dmarc(Spf(config), behavior) if behavior else None


def preload() -> None:
    """For a parent that forks: import what `message` needs. Opens no socket."""
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
            return defer(b"the DMARC policy of %b cannot be looked up now" % author, 451, b"4.7.0", why)
        fails = verdict.result == "fail" and verdict.policy == REJECT
        if fails and self._behavior >= REFUSES and not self._excused(session, author):
            return reject(b"refused by the DMARC policy of %b" % author, 550, b"5.7.26", why)
        return passes(why)

    def _excused(self, session: Session, author: bytes) -> bool:
        """Whether control/spfrules lets the client pass, and DMARC would pass if the domain itself did."""
        from ..mailauth import dmarc

        known = _authentication.of(session)
        ours = [each.domain for each in known.results if (each.method, each.value) == ("spf", "policy")]
        as_if = [dmarc.Identifier("spf", "pass", domain) for domain in ours]
        return bool(as_if) and dmarc.evaluate(author, as_if, known.lookup).result == "pass"

    def _judge(self, session: Session) -> tuple[bytes, DmarcResult]:
        """The domain in From and the DMARC result, which is added to the transaction's Authentication."""
        from ..mailauth import dmarc, from_field

        assert session.transaction is not None and session.transaction.held is not None
        known = _authentication.of(session)
        author = b""
        try:
            author = from_field.author_domain(session.transaction.held.fields)
        except from_field.NoAuthor as trouble:
            verdict = dmarc.DmarcResult("permerror", str(trouble))
        else:
            policy = dmarc.PREFIX + author, "TXT"
            known.soon.append(policy)
            self._spf.found(session)
            _dkim.found(session)
            known.ahead([policy])  # without signatures nothing was asked for so far
            vouching = [dmarc.Identifier(each.method, each.value, each.domain) for each in known.results]
            verdict = dmarc.evaluate(author, vouching, known.lookup, known.ahead)
        properties = [("header.from", author), ("policy.dmarc", verdict.policy or b"")]
        known.add(Result("dmarc", verdict.result, properties, author, verdict.reason, verdict.record))
        return author, verdict


def because(verdict: DmarcResult) -> bytes:
    """The result, its reason and the policy record, for the log and for qmail-smtpd-explain."""
    parts = [f"dmarc={verdict.result}".encode(), verdict.reason.encode(errors="replace")]
    if verdict.record:
        parts.append(b"_dmarc.%b: %b" % (verdict.domain, verdict.record))
    return b", ".join(part for part in parts if part)
