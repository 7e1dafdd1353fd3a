"""What the checks of sender authentication (SPF, DKIM, DMARC, iprev) share within a transaction (SPEC section 17).

    known = of(session)            made by the first of them, kept in the notes of the transaction
    known.lookup(name, rtype)      the DNS, see _lookup.py; all checks together have control/dnstimeout seconds
    known.ahead(questions)         ask several at once, for later calls, and with them those of known.soon
    known.soon                     questions that will certainly follow; nothing waits for their answers before
    known.add(result)              add a Result (mailauth/results.py) for the other checks, the header field and the log
    known.results                  all results, in the order in which they were added

Only the time that DNS answers take counts towards control/dnstimeout (default 20), not the time that the client takes
to send its message.
"""

from __future__ import annotations

from ..smtp import ip
from ._lookup import BoundedLookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..mailauth.results import Result
    from ..net.resolver import Question
    from ..session.facts import Session

NOTE = "authentication"
DEFAULT_TIMEOUT = 20  # seconds


def of(session: Session) -> Authentication:
    """The Authentication of the current transaction. Raises ControlError, ClientGone and SessionTimeout."""
    assert session.transaction is not None
    notes = session.transaction.notes
    if NOTE not in notes:
        notes[NOTE] = Authentication(session)
    session.pause(0)  # sends the buffered replies before we wait for the DNS, and notices a client that has left
    known: Authentication = notes[NOTE]
    return known


class Authentication:
    """See the module's docstring."""

    def __init__(self, session: Session) -> None:
        assert session.transaction is not None
        self.lookup = BoundedLookup(session.env, session.config.control.number("dnstimeout", DEFAULT_TIMEOUT))
        address = ip.parse(session.client.ip)
        self.soon: list[Question] = [] if address is None else [(ip.pointer(address), "PTR")]
        self.results: list[Result] = []
        self._facts = session.transaction.results
        self._log = session.log

    def ahead(self, questions: list[Question]) -> None:
        self.lookup.ahead(questions, self.soon)

    def add(self, result: Result) -> None:
        self.results.append(result)
        facts = {"method": result.method, "result": result.value, "domain": result.domain, **dict(result.properties)}
        # The log cuts a long list at its end. The client says how many signatures there are, so those stand there.
        others = sum(fact["method"] != "dkim" for fact in self._facts)
        place = len(self._facts) if result.method == "dkim" else others
        self._facts.insert(place, {**facts, "reason": result.reason, "record": result.record})
        if self.lookup.trouble:
            self._log.trouble(b"DNS: ", self.lookup.trouble.encode(errors="replace"))
            self.lookup.trouble = ""
        self._log.verified(_shown(result).rstrip(), result.record)


def _shown(result: Result) -> bytes:
    """The result, whose it is and why; some reasons begin with whose it is."""
    reason = result.reason.encode(errors="replace")
    whose = b"" if reason.startswith(result.domain) else result.domain
    said = b": ".join(part for part in (whose, reason) if part)
    return f"{result.method}={result.value} ".encode() + said
