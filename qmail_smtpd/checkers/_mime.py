"""As much of MIME as finding the first line of every part takes (RFC 2046). No I/O; works on blocks.

The message is handed over as it is stored (LF line ends), in blocks cut anywhere. `FirstLines.feed` returns the
first line after the message header and after each part's header, as far as a block shows them. Multipart boundaries
nest and match as line prefixes, the innermost first; the boundary of an outer multipart ends those inside it that
never ended. Behind the outermost end nothing is looked for. message/rfc822 is entered: its header is a header.
Lines are seen up to LONGEST bytes.
"""

from __future__ import annotations

LONGEST = 1024
MOST_CONTENT_TYPE = 8192  # bytes of a folded Content-Type that are looked at
DEEPEST = 100  # multiparts inside each other that are kept track of

_BACKSLASH, _QUOTE, _OPEN, _CLOSE, _SEMICOLON = b'\\"();'
_CUT = 0  # stands for a `;` between parameters


class FirstLines:
    """One message. Starts in its header."""

    def __init__(self) -> None:
        self._partial = b""  # the line that is not all there yet, its first LONGEST bytes
        self._in_header = True
        self._first = False  # the next line is the first of a body
        self._content_type = b""
        self._field = False  # the header line before was a Content-Type
        self._boundaries: tuple[bytes, ...] = ()  # the innermost first

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
        if self._in_header:
            self._header_line(line)
            return
        if self._first:
            self._first = False
            found.append(line)
        if not line.startswith(self._boundaries):
            return
        depth = next(depth for depth, boundary in enumerate(self._boundaries) if line.startswith(boundary))
        ended = line.startswith(b"--", len(self._boundaries[depth]))
        self._boundaries = self._boundaries[depth + ended :]
        if not ended:
            self._begin_header()

    def _header_line(self, line: bytes) -> None:
        if not line:
            self._end_header()
        elif line[:1] in (b" ", b"\t"):
            if self._field and len(self._content_type) < MOST_CONTENT_TYPE:
                self._content_type += line
        else:
            self._field = line[:13].lower() == b"content-type:"
            if self._field:
                self._content_type = line[13:]

    def _begin_header(self) -> None:
        self._in_header = True
        self._field = False
        self._content_type = b""

    def _end_header(self) -> None:
        media_type, boundary = parse_content_type(self._content_type)
        if boundary is not None:
            self._boundaries = (b"--" + boundary, *self._boundaries[: DEEPEST - 1])
        self._begin_header()
        if media_type != b"message/rfc822":
            self._in_header = False
            self._first = True


def parse_content_type(value: bytes) -> tuple[bytes, bytes | None]:
    """The media type in lower case and the boundary parameter, None without one (RFC 2045 section 5.1).

    Blanks around the `=` hide the parameter, as in the original. Where strict reading finds no boundary the value
    is cut at every `;`: a mail reader may be as lenient as that.
    """
    fields = _fields(value)
    media_type = fields[0].strip(b" \t").lower()
    for field in (*fields[1:], *value.split(b";")[1:]):
        field = field.lstrip(b" \t")
        if field[:9].lower() == b"boundary=":
            text = field[9:]
            if text.startswith(b'"'):
                return media_type, text[1:].partition(b'"')[0]
            return media_type, (text.split(None, 1) or [b""])[0]
    return media_type, None


def _fields(value: bytes) -> list[bytes]:
    """`value` cut at each `;` outside of quotes, without its (comments)."""
    if b"(" not in value and b'"' not in value:
        return value.split(b";")
    kept = bytearray()
    quoted = escaped = False
    comments = 0  # they nest
    for byte in value:
        if escaped:
            escaped = False
        elif byte == _BACKSLASH and (quoted or comments):
            escaped = True
        elif byte == _QUOTE and not comments:
            quoted = not quoted
        elif byte == _OPEN and not quoted:
            comments += 1
        elif byte == _CLOSE and comments:
            comments -= 1
            continue
        if not comments:
            kept.append(_CUT if byte == _SEMICOLON and not quoted else byte)
    return bytes(kept).split(b"\0")
