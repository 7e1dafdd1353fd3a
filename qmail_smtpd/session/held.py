"""A held message as checks see it (SPEC section 14; RFC 5322 section 2.2). Pure: no descriptors.

    held.fields     [(name, value)], in order: a value is everything behind the colon without the last LF; a folded one
                    contains LF
    held.size       bytes of fields, blank line and body, as they would be stored
    held.body()     iterate over what follows the blank line, in blocks, any number of times
    held.stored()   iterate over the whole message, with our own fields (X-RBL, Received), which `fields` leaves out

A Held never changes: edits make another one of it (edits.py). Line ends are LF. What was not edited is stored exactly
as it came.

The header ends at the blank line, or, as in other mail servers, at a line that is neither a field nor the continuation
of one: that line and what follows it are the body. The whole header is in memory, so its size is limited: raises
HeaderTooLarge. Raises SpoolError too.
"""

from __future__ import annotations

from ..smtp.fields import is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..programs.spool import Spool

LARGEST_HEADER = 1 << 20  # bytes, with LINE_COSTS added for each line
LINE_COSTS = 128  # bytes that a line takes in memory beyond its own

_OURS = b"x-rbl"  # among the lines above our Received, the field that checks are not shown


class HeaderTooLarge(Exception):
    """The header of a message is larger than LARGEST_HEADER."""


class Field:
    """A header field as it is stored, with its last LF. `ours`: it is stored, but checks do not see it."""

    __slots__ = ("raw", "name", "key", "ours")

    def __init__(self, raw: bytes, ours: bool = False) -> None:
        self.raw = raw
        self.name = raw[: raw.find(b":")].rstrip(b" \t")
        self.key = self.name.lower()
        self.ours = ours

    @property
    def value(self) -> bytes:
        return self.raw[self.raw.find(b":") + 1 : -1]

    def is_called(self, name: bytes) -> bool:
        """Whether checks see it under this name, in any case."""
        return not self.ours and self.key == name.lower()


class Held:
    """See the module's docstring. `gap` is what separates header and body: a LF, or nothing if the message has no blank
    line. `start` is where the body begins in `spool`."""

    def __init__(self, entries: list[Field], gap: bytes, spool: Spool, start: int = 0) -> None:
        self.entries = entries
        self.gap = gap
        self.spool = spool
        self.start = start
        self._fields: list[tuple[bytes, bytes]] | None = None

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        if self._fields is None:
            self._fields = [(field.name, field.value) for field in self.entries if not field.ours]
        return self._fields

    @property
    def size(self) -> int:
        header = sum(len(field.raw) for field in self.entries if not field.ours)
        return header + len(self.gap) + self.spool.size - self.start

    def body(self) -> Iterator[bytes]:
        return self.spool.blocks(self.start)

    def stored(self) -> Iterator[bytes]:
        yield b"".join(field.raw for field in self.entries) + self.gap
        yield from self.body()


def read(lines: bytes, trace: bytes, spool: Spool) -> Held:
    """The message in `spool`, with `trace`, our Received field, above it, and `lines`, what checks have added, above
    that. Raises HeaderTooLarge, SpoolError."""
    text = _beginning(spool)
    places, end = _places(text)
    if end < len(text) and text.find(b"\n", end) < 0:  # the header goes on behind the part that was examined
        raise HeaderTooLarge
    gap = b"\n" if text.startswith(b"\n", end) else b""
    entries = [*_added(lines), Field(trace, ours=True), *_fields(text, [*places, end])]
    return Held(entries, gap, spool, end + len(gap))


def _beginning(spool: Spool) -> bytes:
    """The beginning of the message, long enough to contain the header."""
    text = b""
    for block in spool.blocks():
        text += block
        if len(text) > LARGEST_HEADER or b"\n\n" in text or text.startswith(b"\n"):
            break
    return text


def _places(text: bytes) -> tuple[list[int], int]:
    """The offset of each field, and that of the end of the header. Raises HeaderTooLarge."""
    places: list[int] = []
    at = lines = 0
    while end := text.find(b"\n", at) + 1:
        if not (places and text.startswith((b" ", b"\t"), at)):
            if not _is_field(text[at:end]):
                break
            places.append(at)
        at = end
        lines += 1
        if at + lines * LINE_COSTS > LARGEST_HEADER:
            raise HeaderTooLarge
    return places, at


def _is_field(line: bytes) -> bool:
    name, colon, _ = line.partition(b":")
    return bool(colon) and is_name(name.rstrip(b" \t"))


def _fields(text: bytes, places: list[int]) -> list[Field]:
    return [Field(text[begin:end]) for begin, end in zip(places, places[1:], strict=False)]


def _added(lines: bytes) -> list[Field]:
    """The lines that checks have put above our Received, as fields. What is no valid field is stored but not shown."""
    places, end = _places(lines)
    added = _fields(lines, [*places, end])
    for field in added:
        field.ours = field.name.lower() == _OURS
    return [*added, Field(lines[end:], ours=True)] if end < len(lines) else added
