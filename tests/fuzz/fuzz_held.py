"""Fuzz how a held message is read, and what an edit makes of any value."""

from __future__ import annotations

from qmail_smtpd.programs.spool import Spool
from qmail_smtpd.session.edits import Edits
from qmail_smtpd.session.held import read

TRACE = b"Received: by us\n"


def one_input(data: bytes) -> None:
    """Half of it above our Received, half as the message: stored as it came. All of it as a value: one field."""
    lines, text = data[: len(data) // 2], data[len(data) // 2 :] + b"\n"
    spool = Spool(b"/var/tmp")
    spool.write(text)
    held = read(lines, TRACE, spool)
    assert b"".join(held.stored()) == lines + TRACE + text
    edits = Edits(lambda: Spool(b"/var/tmp"))
    edits.add_top(b"X", data)
    edited = edits.apply(held, b"", []).held()
    assert edited.fields[1:] == held.fields and edited.fields[0][0] == b"X"
    first, *more = edited.entries[0].raw.split(b"\n")[:-1]
    assert first.startswith(b"X:") and all(line.startswith((b" ", b"\t")) for line in more)
    assert b"".join(edited.body()) == b"".join(held.body())
