"""As much of MIME as finding the first line of every part takes (RFC 2046). No I/O; works on blocks.

The message is handed over as it is stored (LF line ends), in blocks cut anywhere. `FirstLines.feed` returns the
first line after the message header and after each part's header, as far as a block shows them. Multipart boundaries
nest and match as line prefixes, the innermost first; the boundary of an outer multipart ends those inside it that
never ended. Behind the outermost end nothing is looked for. message/rfc822 is entered: its header is a header.
Lines are seen up to LONGEST bytes.

Where a Content-Type has more than one reading (_boundaries.py), or a header more than one Content-Type, all are
followed: from then on any of their boundaries begins a part, and no end of one ends another. `beyond` is set once there
is more of it than we keep: what is deeper inside has not been seen.
"""

from __future__ import annotations

from ._boundaries import boundaries, media_types

LONGEST = 1024  # bytes
MOST_CONTENT_TYPE = 1 << 17  # bytes of a header's Content-Type fields that are looked at
DEEPEST = 200  # boundaries that are kept track of

_ENTERED = (b"message/rfc822", b"message/global", b"message/news")


class FirstLines:
    """One message. Starts in its header."""

    def __init__(self) -> None:
        self.beyond = False
        self._partial = b""  # the line that is not all there yet, its first LONGEST bytes
        self._in_header = True
        self._first = False  # the next line is the first of a body
        self._fields: list[list[bytes]] = []  # the lines of each Content-Type of this header
        self._kept = 0  # bytes in them
        self._field = False  # the header line before belongs to one
        self._boundaries: tuple[bytes, ...] = ()  # the innermost first
        self._ambiguous = False  # they are of more than one reading

    def twin(self) -> FirstLines:
        """Another one that has seen the same."""
        other = FirstLines()
        other.__dict__.update(self.__dict__)
        other._fields = [list(lines) for lines in self._fields]
        return other

    def feed(self, block: bytes) -> list[bytes]:
        """The first lines that end in this block."""
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
            self.beyond = True
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
        self.beyond = self.beyond or len(inner) + len(self._boundaries) > DEEPEST
        self._boundaries = (inner + self._boundaries)[:DEEPEST]
        self._begin_header()
        self._in_header = not types.isdisjoint(_ENTERED)
        self._first = not self._in_header or len(types) > 1
