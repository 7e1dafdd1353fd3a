"""All the ways in which mail programs may read a Content-Type field (RFC 2045 section 5.1, RFC 2231).

    media_types(value)      the possible media types, each once
    boundaries(value)       the possible boundaries, each once, at most MOST

A correct field has one reading. Of a malformed one, some programs split at a semicolon within quotes, others need no
semicolon, others make a stray quote part of the boundary. To find out what a message contains, all readings have to be
followed. No regular expressions; time is linear in the length of the field. Raises nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 1024  # bytes of a parameter that are examined
MOST = 16  # readings of one field that are returned

_BACKSLASH, _QUOTE, _OPEN, _CLOSE, _SEMICOLON = b'\\"();'
_CUT = 0  # the byte that _fields writes for a `;` between parameters
_BLANKS = b" \t\n\r"


def media_types(value: bytes) -> list[bytes]:
    """The media types, the text before the parameters, in lower case."""
    words = (_fields(value)[0], value.partition(b";")[0])
    return _different(word.strip(_BLANKS).lower() for word in words)


def boundaries(value: bytes) -> list[bytes]:
    """The boundary parameters; the reading that follows the RFC comes first."""
    if b"boundary" not in value.lower():
        return []
    found: list[bytes] = []
    for field in (*_fields(value), *value.split(b";"), *_wherever(value)):
        found += _of_parameter(field.lstrip(_BLANKS))
    return _different(found + _continued(value))[:MOST]


def _different(words: Iterable[bytes]) -> list[bytes]:
    return list(dict.fromkeys(words))


def _wherever(value: bytes) -> Iterator[bytes]:
    """Every part that begins with `boundary`, whatever comes before it."""
    text = value.lower()
    at = text.find(b"boundary")
    while at >= 0:
        yield value[at : at + LONGEST]
        at = text.find(b"boundary", at + 8)


def _of_parameter(text: bytes) -> list[bytes]:
    """The readings of the value in `boundary=value`; none if `text` is something else."""
    name, equals, text = text.partition(b"=")
    if not equals or name.lower() != b"boundary":  # a blank before the `=` hides it, as recorded from the original
        return []
    text = text.lstrip(_BLANKS)
    if text.startswith(b'"'):
        inner = text[1:].partition(b'"')[0]
        return [inner, _unescaped(text[1:])] if b"\\" in inner else [inner]
    word = (text.partition(b";")[0].split(None, 1) or [b""])[0]
    parts = word.strip(b'"'), word.partition(b'"')[0], word.partition(b"(")[0]
    return [word, *filter(None, parts)]


def _unescaped(text: bytes) -> bytes:
    """`text` up to the first quote that is not escaped, without the backslashes."""
    kept = bytearray()
    escaped = False
    for byte in text:
        if escaped or byte not in (_BACKSLASH, _QUOTE):
            kept.append(byte)
            escaped = False
        elif byte == _QUOTE:
            break
        else:
            escaped = True
    return bytes(kept)


def _continued(value: bytes) -> list[bytes]:
    """A boundary by RFC 2231: in pieces (`boundary*0=`, `boundary*1=`), and encoded (`boundary*=us-ascii''b`)."""
    pieces: dict[bytes, bytes] = {}
    for text in _wherever(value):
        marks, equals, rest = text[8:].partition(b"=")
        marks = marks.strip(_BLANKS)
        if equals and marks.startswith(b"*") and not marks.strip(b"*0123456789"):
            piece = _of_parameter(b"boundary=" + rest.lstrip(_BLANKS))[0]
            if marks.endswith(b"*"):
                number = marks.strip(b"*").lstrip(b"0")
                piece = _decoded(piece if number else piece.rpartition(b"'")[2])
            pieces.setdefault(marks.strip(b"*").lstrip(b"0").rjust(9, b"0"), piece)
    return [b"".join(pieces[number] for number in sorted(pieces))] if pieces else []


def _decoded(text: bytes) -> bytes:
    """`text` with %XX replaced by the byte."""
    first, *more = text.split(b"%")
    return first + b"".join(_byte(piece[:2]) + piece[2:] for piece in more)


def _byte(digits: bytes) -> bytes:
    try:
        return bytes((int(digits, 16),))
    except ValueError:
        return b"%" + digits


def _fields(value: bytes) -> list[bytes]:
    """`value` split at each `;` outside of quotes, without (comments)."""
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
