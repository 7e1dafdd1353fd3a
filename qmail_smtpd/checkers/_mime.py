"""Finds the first line of every MIME part of a message (RFC 2046), as it comes in blocks. No I/O; raises nothing.

The blocks have LF line ends, as stored, and may be cut anywhere. `FirstLines.feed` returns the lines in a block that
come first after the message header or a part's header. Multipart boundaries nest and match as prefixes of lines, the
innermost first; the boundary of an outer multipart ends those within it that have no end. Behind the end of the
outermost multipart nothing is looked for. The header of a message/rfc822 part is treated as a header. Only the first
LONGEST bytes of a line are examined.

If a Content-Type has more than one reading (_boundaries.py), or a header has more than one Content-Type, all are
followed: from then on each of the boundaries begins a part, and an end marker ends nothing. `over_limit` is True if the
limits below were exceeded, so that some parts were not seen.
"""

from __future__ import annotations

from ._boundaries import boundaries, media_types

LONGEST = 1024  # bytes
MOST_CONTENT_TYPE = 1 << 17  # bytes of a header's Content-Type fields that are examined
DEEPEST = 200  # boundaries that are remembered

_ENTERED = (b"message/rfc822", b"message/global", b"message/news")


class FirstLines:
    """The reader of one message; begins in its header."""

    def __init__(self) -> None:
        self.over_limit = False
        self._partial = b""  # the beginning, up to LONGEST bytes, of a line that is not complete yet
        self._in_header = True
        self._first = False  # the next line is the first of a body
        self._fields: list[list[bytes]] = []  # the lines of each Content-Type field of this header
        self._kept = 0  # bytes in them
        self._field = False  # the previous header line belongs to such a field
        self._boundaries: tuple[bytes, ...] = ()  # the innermost first
        self._ambiguous = False  # they come from more than one reading

    def twin(self) -> FirstLines:
        """A copy, which has read the same so far."""
        other = FirstLines()
        other.__dict__.update(self.__dict__)
        other._fields = [list(lines) for lines in self._fields]
        return other

    def feed(self, block: bytes) -> list[bytes]:
        """Read a block; the first lines of parts that end in it."""
        found: list[bytes] = []
        text = self._partial + block
        at = 0
        while self._in_header or self._first or self._boundaries:
            if not (self._in_header or self._first or text.startswith(b"--", at)):
                at = text.find(b"\n--", at) + 1 or text.rfind(b"\n") + 1 or at
                if not text.startswith(b"--", at):
                    break
            end = text.find(b"\n", at)
            if end < 0:
                break
            self._line(text[at:end][:LONGEST], found)
            at = end + 1
        self._partial = text[at : at + LONGEST]
        return found

    def _line(self, line: bytes, found: list[bytes]) -> None:
        if self._first:
            self._first = False
            found.append(line)
        if self._in_header:
            self._header_line(line)
        elif line.startswith(self._boundaries):
            self._boundary(line)

    def _boundary(self, line: bytes) -> None:
        if not self._ambiguous:
            depth = next(depth for depth, boundary in enumerate(self._boundaries) if line.startswith(boundary))
            ended = line.startswith(b"--", len(self._boundaries[depth]))
            self._boundaries = self._boundaries[depth + ended :]
            if ended:
                return
        self._begin_header()

    def _header_line(self, line: bytes) -> None:
        if not line:
            self._end_header()
        elif line[:1] in (b" ", b"\t"):
            if self._field:
                self._keep(line)
        else:
            name, colon, value = line.partition(b":")
            self._field = bool(colon) and name.rstrip(b" \t").lower() == b"content-type"
            if self._field:
                self._fields.append([])
                self._keep(value)

    def _keep(self, line: bytes) -> None:
        self._fields[-1].append(line)
        self._kept += len(line)
        if self._kept > MOST_CONTENT_TYPE:
            self.over_limit = True
            self._field = False

    def _begin_header(self) -> None:
        self._in_header = True
        self._field = False
        self._fields = []
        self._kept = 0

    def _end_header(self) -> None:
        fields = [b"".join(lines) for lines in self._fields] or [b""]
        types = {media_type for field in fields for media_type in media_types(field)}
        readings = list(dict.fromkeys(boundary for field in fields for boundary in boundaries(field)))
        self._ambiguous = self._ambiguous or len(readings) > 1 or (len(fields) > 1 and bool(readings))
        inner = tuple(b"--" + boundary[: LONGEST - 2] for boundary in readings)
        self.over_limit = self.over_limit or len(inner) + len(self._boundaries) > DEEPEST
        self._boundaries = (inner + self._boundaries)[:DEEPEST]
        self._begin_header()
        self._in_header = not types.isdisjoint(_ENTERED)
        self._first = not self._in_header or len(types) > 1
