"""The tokens of a structured header field (RFC 5322 section 3.2, with the obsolete forms of section 4.1).

    tokens(value)       yields (ATOM, text), (QUOTED, text), (LITERAL, text) or (special, b"")

Blanks, folds and comments (also nested) are left out. Quoted strings come without quotes and backslashes, domain
literals without brackets. Bytes above 127 are part of atoms (RFC 6532). Raises Unreadable when it reaches a control
byte, a special that may not occur there, or a comment, quoted string or literal without an end. Time is linear in the
length of the value.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ATOM, QUOTED, LITERAL = b"atom", b"quoted", b"literal"  # specials are their own kind

_BLANKS = b" \t\n"
_SPECIALS = b"<>@,;:."
_OPEN, _CLOSE, _QUOTE, _LEFT, _RIGHT, _BACKSLASH = b'()"[]\\'
_NO_ATEXT = frozenset(b'()<>[]:;@\\,."' + bytes(range(33)) + b"\x7f")


class Unreadable(Exception):
    """A field that violates the grammar; the text says how."""


def tokens(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """See the module's docstring."""
    at = 0
    while at < len(value):
        byte = value[at]
        if byte in _BLANKS:
            at += 1
        elif byte == _OPEN:
            at = _after_comment(value, at + 1)
        elif byte == _QUOTE:
            text, at = _enclosed(value, at + 1, _QUOTE)
            yield QUOTED, text
        elif byte == _LEFT:
            text, at = _enclosed(value, at + 1, _RIGHT)
            yield LITERAL, text
        elif byte in _SPECIALS:
            at += 1
            yield b"%c" % byte, b""
        else:
            end = _end_of_atom(value, at)
            yield ATOM, value[at:end]
            at = end


def _end_of_atom(value: bytes, at: int) -> int:
    start = at
    while at < len(value) and value[at] not in _NO_ATEXT:
        at += 1
    if at == start:
        raise Unreadable("a byte that is not allowed there")
    return at


def _after_comment(value: bytes, at: int) -> int:
    """The offset behind a comment whose `(` is just before `at`."""
    depth = 1
    while depth and at < len(value):
        byte = _fit(value[at])
        at += 1
        if byte == _BACKSLASH:
            at += 1
        elif byte == _OPEN:
            depth += 1
        elif byte == _CLOSE:
            depth -= 1
    if depth or at > len(value):
        raise Unreadable("a comment without an end")
    return at


def _enclosed(value: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The text up to the byte `end`, unescaped, and the offset behind it."""
    kept = bytearray()
    while at < len(value):
        byte = _fit(value[at])
        at += 1
        if byte == end:
            return bytes(kept), at
        if byte == _BACKSLASH:
            if at == len(value):
                break
            byte = _fit(value[at])
            at += 1
        if byte != 10:  # the LF of a fold is not part of the text
            kept.append(byte)
    raise Unreadable("quotes or brackets without an end")


def _fit(byte: int) -> int:
    """The byte. Raises Unreadable for a control byte."""
    if (byte < 32 and byte not in _BLANKS) or byte == 127:
        raise Unreadable("a control byte")
    return byte
