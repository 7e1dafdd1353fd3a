"""Authentication-Results: results of SPF, DKIM, DMARC and iprev, in a field at the top (SPEC section 17; RFC 8601).

A field that the message already has and that claims to be ours (by the name in control/authservid, default control/me,
in any spelling) is forged and removed. This is done for every message if SPFBEHAVIOR, DKIMVERIFY or DMARCBEHAVIOR is
configured. iprev is determined here. Asked before the milters, so that they see the field. Refuses nothing.
"""

from __future__ import annotations

from ..checker import Checker, passes
from ..mailauth import iprev
from ..mailauth.results import NAME, claims, field_value
from ..smtp import ip
from . import _authentication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..session.facts import Session, Transaction
    from ..smtp.events import EndOfMessage


def setup(config: Config) -> Checker | None:
    asked = config.switch("DKIMVERIFY") or any(map(config.behavior, ("spfbehavior", "dmarcbehavior")))
    return AuthResults(config.control.line("authservid") or config.me) if asked else None


def preload() -> None:
    """For a parent that forks: import what `message` needs. Opens no socket."""
    from ..net import resolver  # noqa: F401
    from ..session import holding  # noqa: F401


class AuthResults(Checker):
    holds = True

    def __init__(self, authserv_id: bytes) -> None:
        self._authserv_id = authserv_id

    def message(self, session: Session, event: EndOfMessage) -> Pass | None:
        transaction = session.transaction
        assert transaction is not None and transaction.edits is not None
        known = _authentication.of(session)
        reason = b""
        address = ip.parse(session.client.ip)
        if address is not None:
            found = iprev.check(address, ip.text(address), known.lookup)
            known.add(found)
            reason = b"iprev=%b %b" % (found.value.encode(), found.record or found.reason.encode(errors="replace"))
        self._remove_forged(transaction)
        transaction.edits.add_top(NAME, field_value(self._authserv_id, known.results))
        return passes(reason)

    def _remove_forged(self, transaction: Transaction) -> None:
        assert transaction.held is not None and transaction.edits is not None
        values = [value for name, value in transaction.held.fields if name.lower() == NAME.lower()]
        forged = [number for number, value in enumerate(values, 1) if claims(value, self._authserv_id)]
        if forged:
            transaction.edits.delete_fields(NAME, forged)
