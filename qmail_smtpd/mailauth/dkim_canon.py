"""The canonical forms of DKIM, in which a message is signed (RFC 6376 section 3.4). No I/O; raises nothing.

Input has LF line ends, as messages are stored; canonical text has CRLF.

    body = BODY[b"relaxed"](write); body.feed(block), ...; body.finish()
    HEADER[b"relaxed"](name, value)     a header field, with its CRLF

Blocks of a body may be cut anywhere; `write` is called with canonical text as soon as it is certain. Between two blocks
only a flag and a counter are kept, even for endless lines, blanks or empty lines.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[bytes], object]

_FLUSHED = b"\r\n" * 4096  # empty lines are written in pieces of this size


class SimpleBody:
    """The body unchanged, but without empty lines at its end; an empty body becomes one empty line."""

    empty = b"\r\n"

    def __init__(self, write: Write) -> None:
        self._write = write
        self._newlines = 0  # line ends that are not written yet: they may be the last of the body
        self._written = False

    def feed(self, block: bytes) -> None:
        text = block.rstrip(b"\n")
        if text:
            self._end_lines()
            self._written = True
            self._write(text.replace(b"\n", b"\r\n"))
        self._newlines += len(block) - len(text)

    def finish(self) -> None:
        self._write(b"\r\n" if self._written else self.empty)

    def _end_lines(self) -> None:
        while self._newlines:
            count = min(self._newlines, len(_FLUSHED) // 2)
            self._write(_FLUSHED[: 2 * count])
            self._newlines -= count


class RelaxedBody(SimpleBody):
    """The same with each run of blanks reduced to one space, and without blanks at the ends of lines; an empty body
    becomes nothing."""

    empty = b""

    def __init__(self, write: Write) -> None:
        super().__init__(write)
        self._blank = False  # the last block ended in a blank: its line may end here, or go on

    def feed(self, block: bytes) -> None:
        text = block.replace(b"\t", b" ")
        if self._blank:
            text = b" " + text
        if b" " in text:
            text = b"\n".join(_single_spaced(text).split(b" \n"))  # takes half as long as replace()
        kept = text.removesuffix(b" ")
        self._blank = len(kept) < len(text)
        super().feed(kept)


def _single_spaced(text: bytes) -> bytes:
    while b"  " in text:
        text = b" ".join(text.split(b"  "))
    return text


def simple_field(name: bytes, value: bytes) -> bytes:
    """A field unchanged, with CRLF line ends."""
    return name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n"


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """The name in lower case, the value unfolded, single spaced and without blanks at its ends."""
    text = value.replace(b"\n", b"").replace(b"\t", b" ")
    return name.rstrip(b" \t").lower() + b":" + _single_spaced(text).strip(b" ") + b"\r\n"


BODY = {b"simple": SimpleBody, b"relaxed": RelaxedBody}
HEADER = {b"simple": simple_field, b"relaxed": relaxed_field}
