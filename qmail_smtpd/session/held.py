"""A message that waits for its verdict, as checks see it (SPEC section 14; RFC 5322 section 2.2). Pure: no descriptors.

    held.fields     [(name, value)], in order: the value is all behind the colon, folds as LF and blank, no last LF
    held.size       bytes of fields, blank line and body, as they would be stored
    held.body()     what follows the blank line, in blocks, as often as wanted
    held.stored()   all of it in blocks, with what is ours: X-RBL and our Received, which `fields` does not show

A Held never changes: edits make another one of it (edits.py). Line ends are LF. Nothing that nobody edited is written
in another way than it came.

The header ends at the blank line. A line before that which is no field and does not go on with one ends it too, as in
other mail servers: it and what follows are body. Raises HeaderTooLarge: a header is in memory as a whole, so it has a
bound. SpoolError comes through from below.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..programs.spool import Spool

LARGEST_HEADER = 1 << 20  # bytes, each line counting so many more for what it takes in memory:
LINE_COSTS = 128

_NAME = bytes(byte for byte in range(33, 127) if byte != 58)  # RFC 5322: printable, no blank, no colon
_OURS = b"x-rbl"  # what else of the lines above our Received is nobody's business


class HeaderTooLarge(Exception):
    """See LARGEST_HEADER."""


class Field:
    """A header field as it is stored, its last LF included. `ours`: written, but neither shown nor counted."""

    __slots__ = ("raw", "name", "ours")

    def __init__(self, raw: bytes, ours: bool = False) -> None:
        self.raw = raw
        self.name = raw[: raw.find(b":")].rstrip(b" \t")
        self.ours = ours

    @property
    def value(self) -> bytes:
        return self.raw[self.raw.find(b":") + 1 : -1]

    def is_called(self, name: bytes) -> bool:
        return not self.ours and self.name.lower() == name.lower()


class Held:
    """See the module's text. `gap` is what stands between header and body, `start` where in `spool` that begins."""

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
    """The message of a client in `spool`. `lines` go before our `trace` header. Raises HeaderTooLarge, SpoolError."""
    text = _beginning(spool)
    places, end = _places(text)
    if end < len(text) and text.find(b"\n", end) < 0:  # the header goes on behind what was looked at
        raise HeaderTooLarge
    gap = b"\n" if text.startswith(b"\n", end) else b""
    entries = [*_added(lines), Field(trace, ours=True), *_fields(text, [*places, end])]
    return Held(entries, gap, spool, end + len(gap))


def is_name(name: bytes) -> bool:
    """Whether a field can be called so."""
    return bool(name) and not name.translate(None, _NAME)


def _beginning(spool: Spool) -> bytes:
    """The message as far as its header can reach."""
    text = b""
    for block in spool.blocks():
        text += block
        if len(text) > LARGEST_HEADER or b"\n\n" in text or text.startswith(b"\n"):
            break
    return text


def _places(text: bytes) -> tuple[list[int], int]:
    """Where each field begins, and where the header ends. Raises HeaderTooLarge."""
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
    """What checks have put above our Received. What is no field is written, and not shown."""
    places, end = _places(lines)
    added = _fields(lines, [*places, end])
    for field in added:
        field.ours = field.name.lower() == _OURS
    return [*added, Field(lines[end:], ours=True)] if end < len(lines) else added
