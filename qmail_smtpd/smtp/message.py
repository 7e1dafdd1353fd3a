"""DATA: from what the client sends to what is stored (SPEC section 6; RFC 5321 section 4.5.2). No I/O.

Promises: the only end of a message is CRLF . CRLF; a LF without CR is a Violation; CRLF becomes LF; one leading
dot of a line goes, unless a CR stands right behind it (`.` CR that ends nothing stays as sent, as recorded from
the original). A header line over LONGEST_HEADER bytes is a Violation. What comes first in the stream decides,
however it was cut into pieces. The body is handled in blocks, by find, count and replace, never byte by byte;
what is held back between two blocks is at most one header line, or four bytes of the body.
"""

from __future__ import annotations

from . import replies
from .events import EndOfMessage, Event, MessageBlock, Violation

LONGEST_HEADER = 10_000  # bytes of a header line as received, CRLF included

_END = b"\r\n.\r\n"
_BEGUN = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")  # what more input could make an _END of, longest first
_HOPS = (b"received", b"delivered")


class MessageReader:
    """Reads one message off a buffer: `read` returns the next event, or None while it needs more input."""

    __slots__ = ("hops", "size", "_in_header", "_stored")

    def __init__(self) -> None:
        self.hops = 0
        self.size = 0  # bytes as stored
        self._in_header = True
        self._stored = False  # in the body: the buffer begins with a CRLF whose LF has been handed on already

    def read(self, buffer: bytearray) -> Event | None:
        """Takes what it returns off `buffer`."""
        return self._read_header(buffer) if self._in_header else self._read_body(buffer)

    def _read_header(self, buffer: bytearray) -> Event | None:
        """Whole lines, so that hops and lengths can be seen, up to and with the blank line."""
        taken = 0
        for line in bytes(buffer[: buffer.rfind(b"\n") + 1]).split(b"\n")[:-1]:
            if len(line) >= LONGEST_HEADER:
                return Violation(replies.HEADER_TOO_LONG)
            if not line.endswith(b"\r"):
                return Violation(replies.BARE_NEWLINE)
            if line == b".\r":
                return self._hand_on_header(buffer, taken) if taken else self._finish(buffer, 3)
            taken += len(line) + 1
            if line == b"\r":
                self._in_header = False
                break
            if line[:9].lower().startswith(_HOPS):
                self.hops += 1
        if taken:
            return self._hand_on_header(buffer, taken)
        return Violation(replies.HEADER_TOO_LONG) if len(buffer) > LONGEST_HEADER else None

    def _hand_on_header(self, buffer: bytearray, taken: int) -> Event:
        text = _unstuffed(b"\r\n" + buffer[:taken])[1:]
        if self._in_header:
            del buffer[:taken]
        else:  # the blank line's CRLF stays: the first line of the body may be the dot
            del buffer[: taken - 2]
            self._stored = True
        self.size += len(text)
        return MessageBlock(text, True)

    def _read_body(self, buffer: bytearray) -> Event | None:
        # Attachments in base64 have no dot at all, which is seen in no time; other text has few at a line's beginning.
        dots = buffer.find(b"\r\n.") if b"." in buffer else -1
        end = buffer.find(_END, dots) if dots >= 0 else -1
        limit = len(buffer) if end < 0 else end + 2
        cut = end if end >= 0 else limit - _begun(buffer)
        raw = bytes(memoryview(buffer)[:limit])
        pairs = raw.count(b"\r\n")
        # Replacing single bytes is several times as fast as counting them.
        if limit - len(raw.replace(b"\n", b"")) != pairs:
            return Violation(replies.BARE_NEWLINE)
        at_line_end = buffer.startswith(b"\r\n", cut)
        if cut == 0 and (self._stored or not at_line_end):
            return self._finish(buffer, len(_END)) if end == 0 else None
        text = raw.replace(b"\r", b"")
        if limit == cut and limit - len(text) == pairs:  # each CR is half of a CRLF: nothing else to look for
            if dots >= 0:
                text = b"\n".join(text.split(b"\n."))  # half the time of a replace
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
    """How many bytes at the end of `buffer` could be the beginning of an end of message."""
    for prefix in _BEGUN:
        if buffer.endswith(prefix):
            return len(prefix)
    return 0


def _unstuffed(raw: bytes) -> bytes:
    """LF line ends and no stuffing dots; `raw` begins at a CRLF if it begins at a line."""
    if b"\r\n.\r" in raw:
        raw = raw.replace(b"\r\n.\r", b"\r\n..\r")
    return raw.replace(b"\r\n.", b"\r\n").replace(b"\r\n", b"\n")
