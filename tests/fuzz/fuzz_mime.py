"""Fuzz the first lines of message parts (REJECTEXEC): however a message is cut, the same lines."""

from __future__ import annotations

from qmail_smtpd.checkers._mime import FirstLines


def one_input(data: bytes) -> None:
    """The first byte says how the rest is cut. Header blocks come as whole lines, so cuts are at line ends."""
    lines = data[1:].splitlines(keepends=True)
    step = (data[0] if data else 0) % 7 + 1
    pieces = [b"".join(lines[start : start + step]) for start in range(0, len(lines), step)]
    cut, whole = FirstLines(), FirstLines()
    assert [line for piece in pieces for line in cut.feed(piece)] == list(whole.feed(data[1:]))
