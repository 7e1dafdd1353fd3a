"""SPF's macro strings: parse them, expand them for a client (RFC 7208 section 7).

    parse(text)                   the pieces of a macro-string; raises SpfSyntaxError
    parse_domain(text)            the same for a domain-spec, which must end like a domain
    parse_explanation(text)       the same for an explain-string, which may have spaces and the letters c, r and t
    name(pieces, value)           expanded to a domain name, shortened from the left to LONGEST
    explanation(pieces, value)    expanded to a text of at most LONGEST_EXPLANATION bytes

`value(letter)` returns the value of a macro letter, in lower case. Expansion stops at the limits, so that a hostile
record cannot fill the memory.
"""

from __future__ import annotations

from .names import LONGEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Value = Callable[[bytes], bytes]

LONGEST_EXPLANATION = 500  # bytes; a reply line has no room for more (RFC 5321 section 4.5.3.1.5)

_LETTERS, _EXPLANATION_LETTERS = b"slodiphv", b"slodiphvcrt"
_DELIMITERS = b".-+,/_="
_VISIBLE = bytes(range(33, 127))
_CONSTANTS = {b"%": b"%", b"_": b" ", b"-": b"%20"}
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class SpfSyntaxError(Exception):
    """A violation of SPF's grammar; the text says which."""


class Macro:
    """One macro-expand: `%{l1r-}`, or one of `%%`, `%_`, `%-`."""

    __slots__ = ("letter", "escaped", "keep", "reverse", "delimiters")

    def __init__(self, letter: bytes, keep: int = 0, reverse: bool = False, delimiters: bytes = b".") -> None:
        self.letter = letter.lower()
        self.escaped = letter.isupper()
        self.keep = keep  # how many parts to keep, from the right; 0 means all
        self.reverse = reverse
        self.delimiters = delimiters

    def expand(self, value: Value) -> bytes:
        """The text that it stands for."""
        if self.letter in _CONSTANTS:
            return _CONSTANTS[self.letter]
        text = self._transformed(value(self.letter))
        return _url_escaped(text) if self.escaped else text

    def _transformed(self, text: bytes) -> bytes:
        first = self.delimiters[:1]
        parts = text.translate(bytes.maketrans(self.delimiters, first * len(self.delimiters))).split(first)
        if self.reverse:
            parts.reverse()
        return b".".join(parts[-self.keep :])


Pieces = tuple["bytes | Macro", ...]


def parse(text: bytes, letters: bytes = _LETTERS, blanks: bytes = b"") -> Pieces:
    """See the module's docstring. `letters` are the macro letters allowed, `blanks` the bytes besides visible ASCII."""
    if text.translate(None, _VISIBLE + blanks):
        raise SpfSyntaxError("a byte that is not visible ASCII")
    pieces: list[bytes | Macro] = []
    start = 0
    while (percent := text.find(b"%", start)) >= 0:
        if percent > start:
            pieces.append(text[start:percent])
        macro, start = _macro(text, percent + 1, letters)
        pieces.append(macro)
    if start < len(text):
        pieces.append(text[start:])
    return tuple(pieces)


def parse_domain(text: bytes) -> Pieces:
    pieces = parse(text)
    if not pieces or (isinstance(pieces[-1], bytes) and not _ends_like_a_domain(pieces[-1])):
        raise SpfSyntaxError("no valid domain")
    return pieces


def parse_explanation(text: bytes) -> Pieces:
    return parse(text, _EXPLANATION_LETTERS, b" ")


def name(pieces: Pieces, value: Value) -> bytes:
    text = b""
    for piece in reversed(pieces):  # from the right: pieces that would be cut off are not expanded
        text = _expanded(piece, value) + text
        if len(text) > LONGEST + 1:
            break
    text = text.removesuffix(b".")
    if len(text) <= LONGEST:
        return text
    return text[-LONGEST - 1 :].partition(b".")[2]


def explanation(pieces: Pieces, value: Value) -> bytes:
    text = b""
    for piece in pieces:
        text += _expanded(piece, value)
        if len(text) >= LONGEST_EXPLANATION:
            break
    return text[:LONGEST_EXPLANATION]


def _macro(text: bytes, start: int, letters: bytes) -> tuple[Macro, int]:
    """The macro whose `%` is just before `start`, and the offset behind it."""
    first = text[start : start + 1]
    if first in _CONSTANTS:
        return Macro(first), start + 1
    end = text.find(b"}", start)
    letter = text[start + 1 : start + 2]
    if first != b"{" or end < 0 or letter.lower() not in letters:
        raise SpfSyntaxError("an invalid macro")
    return _transformed(letter, text[start + 2 : end]), end + 1


def _transformed(letter: bytes, transformers: bytes) -> Macro:
    """The macro of a letter and what follows it in the braces: digits, `r`, delimiters."""
    after = transformers.lstrip(b"0123456789")
    digits = transformers[: len(transformers) - len(after)]
    delimiters = after[1:] if after[:1] in (b"r", b"R") else after
    if (digits and not digits.strip(b"0")) or delimiters.strip(_DELIMITERS):
        raise SpfSyntaxError("an invalid macro")
    keep = int(digits) if 0 < len(digits) < 4 else 0  # no text has a thousand labels
    return Macro(letter, keep, len(delimiters) < len(after), delimiters or b".")


def _ends_like_a_domain(literal: bytes) -> bool:
    """Whether it ends in a dot and a top label: letters, digits and inner hyphens, not only digits."""
    head, dot, label = literal.removesuffix(b".").rpartition(b".")
    if not dot or not label.replace(b"-", b"0").isalnum() or label.isdigit():
        return False
    return not label.startswith(b"-") and not label.endswith(b"-")


def _expanded(piece: bytes | Macro, value: Value) -> bytes:
    return piece if isinstance(piece, bytes) else piece.expand(value)


def _url_escaped(text: bytes) -> bytes:
    return b"".join(b"%c" % byte if byte in _UNRESERVED else b"%%%02X" % byte for byte in text)
