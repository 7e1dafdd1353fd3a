"""The message after DATA: from the bytes that the client sends to those that are stored (SPEC section 6; RFC 5321
section 4.5.2). No I/O.

Promises: only CRLF . CRLF ends a message; a LF without CR is a Violation; CRLF becomes LF; a leading dot of a line is
removed, unless a CR follows it directly (`.` CR within a message stays as sent, as recorded from the original). A
header line over LONGEST_HEADER bytes is a Violation. The same input gives the same result however it was cut.

The body is processed in blocks, with find, count and replace, never byte by byte. At most one header line, or four
bytes of the body, wait for more input.
"""

from __future__ import annotations

from . import replies
from .events import EndOfMessage, Event, MessageBlock, Violation

LONGEST_HEADER = 10_000  # bytes of a header line as received, CRLF included

_END = b"\r\n.\r\n"
_BEGUN = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")  # the beginnings of _END, longest first
_HOPS = (b"received", b"delivered")


class MessageReader:
    """Reads one message from a buffer: `read` returns the next event, or None while it needs more input."""

    __slots__ = ("hops", "size", "_in_header", "_stored")

    def __init__(self) -> None:
        self.hops = 0
        self.size = 0  # bytes as stored
        self._in_header = True
        self._stored = False  # in the body: the buffer begins with a CRLF whose LF has been returned already

    def read(self, buffer: bytearray) -> Event | None:
        """A MessageBlock, EndOfMessage or Violation; removes what it covers from `buffer`."""
        return self._read_header(buffer) if self._in_header else self._read_body(buffer)

    def _read_header(self, buffer: bytearray) -> Event | None:
        """The whole lines of the header that are in the buffer, up to the blank line and with it. Whole lines, since
        hops are counted and lengths are checked here."""
        taken = 0
        for line in bytes(buffer[: buffer.rfind(b"\n") + 1]).split(b"\n")[:-1]:
            if len(line) >= LONGEST_HEADER:
                return Violation(replies.HEADER_TOO_LONG)
            if not line.endswith(b"\r"):
                return Violation(replies.BARE_NEWLINE)
            if line == b".\r":
                return self._header_block(buffer, taken) if taken else self._finish(buffer, 3)
            taken += len(line) + 1
            if line == b"\r":
                self._in_header = False
                break
            if line[:9].lower().startswith(_HOPS):
                self.hops += 1
        if taken:
            return self._header_block(buffer, taken)
        return Violation(replies.HEADER_TOO_LONG) if len(buffer) > LONGEST_HEADER else None

    def _header_block(self, buffer: bytearray, taken: int) -> Event:
        text = _unstuffed(b"\r\n" + buffer[:taken])[1:]
        if self._in_header:
            del buffer[:taken]
        else:  # the blank line's CRLF stays in the buffer: the first line of the body may be the final dot
            del buffer[: taken - 2]
            self._stored = True
        self.size += len(text)
        return MessageBlock(text, True)

    def _read_body(self, buffer: bytearray) -> Event | None:
        # Base64 has no dot at all, and a single byte is found fast. Other text has few dots at a line's beginning.
        dots = buffer.find(b"\r\n.") if b"." in buffer else -1
        end = buffer.find(_END, dots) if dots >= 0 else -1
        limit = len(buffer) if end < 0 else end + 2
        cut = end if end >= 0 else limit - _begun(buffer)
        raw = bytes(memoryview(buffer)[:limit])
        pairs = raw.count(b"\r\n")
        # bytes.replace() of single bytes is several times as fast as bytes.count().
        if limit - len(raw.replace(b"\n", b"")) != pairs:
            return Violation(replies.BARE_NEWLINE)
        at_line_end = buffer.startswith(b"\r\n", cut)
        if cut == 0 and (self._stored or not at_line_end):
            return self._finish(buffer, len(_END)) if end == 0 else None
        text = raw.replace(b"\r", b"")
        if limit == cut and limit - len(text) == pairs:  # every CR is part of a CRLF: `.` CR cannot occur
            if dots >= 0:
                text = b"\n".join(text.split(b"\n."))  # takes half as long as replace()
        else:
            text = _unstuffed(raw[:cut])
        if self._stored:
            text = text[1:]
        if at_line_end:
            text += b"\n"
        self._stored = at_line_end
        del buffer[:cut]
        self.size += len(text)
        return MessageBlock(text, False)

    def _finish(self, buffer: bytearray, length: int) -> Event:
        del buffer[:length]
        return EndOfMessage(self.hops, self.size)


def _begun(buffer: bytearray) -> int:
    """How many bytes at the end of `buffer` could be the beginning of _END."""
    for prefix in _BEGUN:
        if buffer.endswith(prefix):
            return len(prefix)
    return 0


def _unstuffed(raw: bytes) -> bytes:
    """`raw` with LF line ends and without stuffed dots. A line begins only behind a CRLF that is in `raw`."""
    if b"\r\n.\r" in raw:
        raw = raw.replace(b"\r\n.\r", b"\r\n..\r")
    return raw.replace(b"\r\n.", b"\r\n").replace(b"\r\n", b"\n")
