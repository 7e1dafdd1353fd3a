"""The DKIM results of a held message, found once, for the checks that want them (SPEC section 17; RFC 6376)."""

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
    """One for each signature that was looked at, or the one that says `none`; the others know of them from now on."""
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
    """For a parent that forks: import what verifies, also `cryptography`; a session waits with that for a key."""
    thirdparty.add_to_path()
    from ..mailauth import dkim, dkim_key  # noqa: F401

    dkim_key.preload()


def _verified(session: Session, known: _authentication.Authentication) -> list[Result]:
    assert session.transaction is not None and session.transaction.held is not None
    held = session.transaction.held
    if not any(name.lower() == b"dkim-signature" for name, _ in held.fields):
        return []  # unsigned mail does not pay for the import of what verifies
    thirdparty.add_to_path()
    from ..mailauth import dkim

    return dkim.verify(_as_sent(held), held.body, known.lookup, time(), known.lookup.ahead)


def _as_sent(held: Held) -> list[tuple[bytes, bytes]]:
    """The fields with the blanks before a colon, which the simple form signs and `held.fields` does not show."""
    return [(field.raw[: field.raw.find(b":")], field.value) for field in held.entries if not field.ours]
