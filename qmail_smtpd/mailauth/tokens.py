"""The tokens of a structured header field (RFC 5322 section 3.2, its obsolete forms of section 4.1 included).

    tokens(value) yields (ATOM, text), (QUOTED, text), (LITERAL, text) or (special, b"")

in order, without blanks, folds and (nested) comments. Quoted text comes without its quotes and backslashes, a domain
literal without its brackets. Bytes above 127 belong to atoms (RFC 6532). A control byte, a special that means nothing
where it stands, and what never ends raise Unreadable once they are reached. Time is linear in the value.
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
    """No such field as the grammar knows. The text says why."""


def tokens(value: bytes) -> Iterator[tuple[bytes, bytes]]:
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
        raise Unreadable("a byte that means nothing there")
    return at


def _after_comment(value: bytes, at: int) -> int:
    """The place behind the comment that was opened before `at`."""
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
    """The text up to the byte `end`, and the place behind that."""
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
        if byte != 10:  # a fold is no part of the text
            kept.append(byte)
    raise Unreadable("quotes or brackets without an end")


def _fit(byte: int) -> int:
    if (byte < 32 and byte not in _BLANKS) or byte == 127:
        raise Unreadable("a control byte")
    return byte
