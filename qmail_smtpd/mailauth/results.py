"""The Authentication-Results field: writing it, and recognising forged ones (SPEC section 17; RFC 8601).

    result = Result("spf", "pass", [("smtp.mailfrom", b"user@example.org")], domain=b"example.org")
    value = field_value(b"mx.example.org", [result])      everything behind the colon, folded, no LF at the end
    claims(value, b"mx.example.org")                      whether a field claims to be written by mx.example.org

Fields are written in ASCII without control bytes, with lines shorter than 998 bytes; values that are no tokens are
quoted. A property with an empty value, or one that is too long for a line, is left out. Raises nothing.

Some readers, SpamAssassin for one, decode the encoded words of RFC 2047 before they parse the field, also in quotes,
where they may not stand. An encoded word can hold any name, and even the end of a quoted string or of the field. So
none is written, and a field that has one counts as forged.
"""

from __future__ import annotations

from .tokens import ATOM, QUOTED, Unreadable, tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAME = b"Authentication-Results"
WIDE = 78  # bytes of a line, unless a single property is longer
LONGEST = 900  # bytes of a property, so that its line stays below the 998 of RFC 5322
MOST = 8192  # bytes of a field that is parsed for its authserv-id; in a longer one ours is searched for

_TSPECIALS = b'()<>@,;:\\"/[]?='  # RFC 2045 section 5.1
_TOKEN = bytes(byte for byte in range(33, 127) if byte not in _TSPECIALS)
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n") + b"\x7f"
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"  # of which all names of servers are made
_VISIBLE = bytes(byte if 32 <= byte < 127 else ord("?") for byte in range(256))


class Result:
    """The result of one method. `value` is pass, fail and so on; `properties` are (`ptype.property`, value) in the
    order in which they are written; `domain` is the one that DMARC compares with the author's; `reason` and `record`,
    the DNS record that decided, are for the log and for qmail-smtpd-explain."""

    __slots__ = ("method", "value", "properties", "domain", "reason", "record")

    def __init__(
        self,
        method: str,
        value: str,
        properties: Sequence[tuple[str, bytes]] = (),
        domain: bytes = b"",
        reason: str = "",
        record: bytes = b"",
    ) -> None:
        self.method = method
        self.value = value
        self.properties = properties
        self.domain = domain
        self.reason = reason
        self.record = record

    def __repr__(self) -> str:
        return f"{self.method}={self.value} ({self.reason})"


def field_value(authserv_id: bytes, results: Iterable[Result]) -> bytes:
    """The value of the field, everything behind the colon; it says `none` if there are no results."""
    lines = [b" " + value(authserv_id)]
    for result in results:
        lines[-1] += b";"
        lines.append(f"\t{result.method}={result.value}".encode())
        for name, text in result.properties:
            word = name.encode() + b"=" + value(text)
            if text and len(word) <= LONGEST:
                _append(lines, word)
    if len(lines) == 1:
        lines[-1] += b"; none"
    return b"\n".join(lines)


def _append(lines: list[bytes], text: bytes) -> None:
    """Append a word to the last line, or as a new line if that would become longer than WIDE."""
    if len(lines[-1]) + 1 + len(text) > WIDE:
        lines.append(b"\t" + text)
    else:
        lines[-1] += b" " + text


def value(text: bytes) -> bytes:
    """A value in the syntax of the field: as it is if it is a token or an address made of tokens, else quoted."""
    local, at, domain = text.rpartition(b"@")
    if _is_token(domain) and (not at or not local or _is_token(local)):
        return text
    text = text.translate(_VISIBLE).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%b"' % text.replace(b"=?", b"=\\?")  # the same text, but no encoded word


def _is_token(text: bytes) -> bool:
    return bool(text) and not text.translate(None, _TOKEN)


def claims(field: bytes, authserv_id: bytes) -> bool:
    """Whether a field (its raw value) claims to be written by `authserv_id`. One that some reader may understand
    differently does if it contains the name anywhere."""
    text = field.translate(None, _CONTROLS).lower()
    ours = authserv_id.lower().strip(b".")
    if b"=?" in text and (b"?q?" in text or b"?b?" in text):  # an encoded word
        return True
    name = _authserv_id(text) if len(text) <= MOST else b""
    # A control byte, or a space of Unicode, is a blank to some readers and nothing to others; and a name in several
    # parts may end before the last one.
    unclear = name not in text or not name or name.translate(None, _PLAIN) or len(text) < len(field)
    return name == ours or bool(unclear and ours in text)


def _authserv_id(text: bytes) -> bytes:
    """The authserv-id at the beginning of a field, a token or a quoted string; b"" if there is none, or if what stands
    before the first `;` cannot be read or has an odd quoted string: OpenDMARC takes "(" for a comment."""
    name = b""
    word = ended = False  # whether the last token was a word: then the next word is the version
    try:
        for kind, part in tokens(text):
            if kind == b";":
                break
            if kind == QUOTED and name and part.translate(None, _PLAIN):
                return b""
            ended = ended or kind not in (ATOM, QUOTED, b".") or (word and kind != b".")
            if not ended:
                name += part if kind == QUOTED else b"." if kind == b"." else _token_of(part)
                word = kind != b"."
    except Unreadable:
        return b""
    return name.strip(b".")


def _token_of(atom: bytes) -> bytes:
    """The beginning of an atom that is a token: `/`, `?` and `=` end a token."""
    for end in b"/?=":
        atom = atom.partition(b"%c" % end)[0]
    return atom
