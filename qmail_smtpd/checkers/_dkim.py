"""The DKIM results of a held message, determined once for all checks (SPEC section 17; RFC 6376)."""

from __future__ import annotations

from time import time

from .. import thirdparty
from ..mailauth.results import Result
from . import _authentication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session.facts import Session
    from ..session.held import Held

NOTE = "dkim"


def found(session: Session) -> list[Result]:
    """One result for each signature that was examined, or a single `none`. The first call verifies and adds them to
    the transaction's Authentication. For the `message` hook only."""
    assert session.transaction is not None
    notes = session.transaction.notes
    if NOTE not in notes:
        known = _authentication.of(session)
        notes[NOTE] = _verified(session, known) or [Result("dkim", "none", reason="no signature")]
        for result in notes[NOTE]:
            known.add(result)
    results: list[Result] = notes[NOTE]
    return results


def preload() -> None:
    """For a parent that forks: import the code that verifies, with `cryptography`, which a session imports only once
    it has found a key."""
    thirdparty.add_to_path()
    from ..mailauth import dkim, dkim_key  # noqa: F401

    dkim_key.preload()


def _verified(session: Session, known: _authentication.Authentication) -> list[Result]:
    assert session.transaction is not None and session.transaction.held is not None
    held = session.transaction.held
    if not any(name.lower() == b"dkim-signature" for name, _ in held.fields):
        return []  # nothing is imported for unsigned mail
    thirdparty.add_to_path()
    from ..mailauth import dkim

    return dkim.verify(_as_sent(held), held.body, known.lookup, time(), known.ahead)


def _as_sent(held: Held) -> list[tuple[bytes, bytes]]:
    """(name, value) of the fields as they were sent. Blanks before the colon are part of the name, since simple
    canonicalization signs them; `held.fields` leaves them out."""
    return [(field.raw[: field.raw.find(b":")], field.value) for field in held.entries if not field.ours]
