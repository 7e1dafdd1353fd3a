"""The author's domain of a message, that of its From field, for DMARC (RFC 9989 section 5.3.1; SPEC section 17).

    author_domain(fields)    the canonical domain; raises NoAuthor unless there is exactly one

The field is parsed by the grammar of RFC 5322, obsolete forms included, with the groups of RFC 6854 and the UTF-8 of
RFC 6532. A field that does not match the grammar is not guessed at, since a mail reader might guess differently. Time
is linear in the length of the field; one longer than LONGEST is not parsed.
"""

from __future__ import annotations

from .names import canonical
from .tokens import ATOM, LITERAL, QUOTED, Unreadable, tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST = 65536  # bytes

_END = b"end"


class NoAuthor(Exception):
    """There is no author's domain, or more than one; the text says why."""


def author_domain(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """See the module's docstring. `fields` are names and raw values."""
    values = [value for name, value in fields if name.strip(b" \t").lower() == b"from"]
    if len(values) != 1:
        raise NoAuthor("several From fields" if values else "no From field")
    try:
        found = set(domains(values[0]))
    except Unreadable as error:
        raise NoAuthor(f"From cannot be read: {error}") from None
    if len(found) != 1:
        raise NoAuthor("From has several domains" if found else "From has no address")
    return found.pop()


def domains(value: bytes) -> list[bytes]:
    """The canonical domains of all addresses in a From field, in order. Raises Unreadable."""
    if len(value) > LONGEST:
        raise Unreadable("too long")
    return _Reader(list(tokens(value))).address_list()


class _Reader:
    """A recursive descent parser: reads the tokens once, from left to right. Raises Unreadable."""

    def __init__(self, found: list[tuple[bytes, bytes]]) -> None:
        self._tokens = [*found, (_END, b"")]
        self._at = 0
        self._domains: list[bytes] = []

    def address_list(self) -> list[bytes]:
        self._list(_END, self._address)
        return self._domains

    def _list(self, end: bytes, member: Callable[[], None]) -> None:
        """Members separated by commas, some of them empty (RFC 5322 section 4.4), up to the token `end`."""
        while not self._take(end):
            if self._take(b","):
                continue
            member()
            if self._kind() not in (b",", end):
                raise Unreadable("text behind an address")

    def _address(self) -> None:
        """A mailbox or a group."""
        words = self._words()
        if self._take(b":"):
            _check_phrase(words, b":")
            self._list(b";", self._mailbox)
        else:
            self._mailbox_after(words)

    def _mailbox(self) -> None:
        self._mailbox_after(self._words())

    def _mailbox_after(self, words: list[bytes]) -> None:
        """The rest of a mailbox: `words` are the name before `<`, or the local part of the address."""
        if self._take(b"<"):
            if words:
                _check_phrase(words, b"<")
            self._skip_route()
            self._address_from(self._words())
            self._demand(b">")
        else:
            self._address_from(words)

    def _address_from(self, words: list[bytes]) -> None:
        _check_dotted(words, "local part")
        self._demand(b"@")
        self._domains.append(self._domain())

    def _skip_route(self) -> None:
        """An obsolete source route before the address: `@one,@two:`."""
        if self._kind() not in (b"@", b","):
            return
        while not self._take(b":"):
            if self._take(b"@"):
                self._domain()
            else:
                self._demand(b",")

    def _domain(self) -> bytes:
        if self._kind() == LITERAL:
            raise Unreadable("an address literal instead of a domain")
        start = self._at
        words = self._words()
        if QUOTED in words:
            raise Unreadable("a domain in quotes")
        _check_dotted(words, "domain")
        name = canonical(b".".join(text for kind, text in self._tokens[start : self._at] if kind == ATOM))
        if name is None:
            raise Unreadable("an invalid domain")
        return name

    def _words(self) -> list[bytes]:
        """Read words and dots; their kinds."""
        start = self._at
        while self._kind() in (ATOM, QUOTED, b"."):
            self._at += 1
        return [kind for kind, _ in self._tokens[start : self._at]]

    def _kind(self) -> bytes:
        return self._tokens[self._at][0]

    def _take(self, kind: bytes) -> bool:
        """Read the next token if it is of this kind; whether it was."""
        found = self._kind() == kind
        if found and kind != _END:
            self._at += 1
        return found

    def _demand(self, kind: bytes) -> None:
        if not self._take(kind):
            raise Unreadable(f"{kind.decode()} is missing")


def _check_phrase(words: list[bytes], before: bytes) -> None:
    """A phrase, the name of a person or group: words and dots, not beginning with a dot."""
    if not words or words[0] == b".":
        raise Unreadable(f"no name before {before.decode()}")


def _check_dotted(words: list[bytes], what: str) -> None:
    """Words, with exactly one dot between any two."""
    if len(words) % 2 == 0 or any((kind == b".") != (place % 2 == 1) for place, kind in enumerate(words)):
        raise Unreadable(f"an invalid {what}")
