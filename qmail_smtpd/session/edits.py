"""The changes that a check asks for in a held message (SPEC section 14). Pure: no descriptors.

    edits.add_top(name, value)          add a field above all others, our Received included
    edits.insert(index, name, value)    0 is the top; 1 is just below our Received, before the client's first field
    edits.add(name, value)              add a field at the end of the header
    edits.change(name, n, value)        replace the n-th field of that name (any case), or add it if there is none
    edits.delete(name, n)               delete the n-th field of that name, if there is one
    edits.delete_fields(name, numbers)  delete several fields of that name in one pass
    edits.replace_body(chunks)          with LF line ends: an iterable of bytes, or a Spool made by edits.new_body()
    edits.sender(address)               change the envelope sender
    edits.add_recipient(address)        add an envelope recipient, which must not be empty, unless it is there already
    edits.remove_recipient(address)     remove one; domains match in any case
    edits.discard()                     accept the message, and queue nothing

If the check lets the message pass, the edits are applied in order, each to the result of those before it; otherwise
none is. `n` counts from 1 (0 means 1) the fields that `held.fields` shows. A value is everything behind the colon, a
blank at its beginning included. In it CR LF and CR become LF, lines after the first are made continuation lines, and
lines too long for the next mail server are folded. Raises ValueError for an invalid name or address, and SpoolError.
"""

from __future__ import annotations

from itertools import accumulate

from ..programs.spool import Spool
from ..smtp.address import is_fit, split
from ..smtp.fields import is_name
from ..smtp.received import LONGEST_LINE
from .held import Field, Held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class Edits:
    """See the module's docstring. `new_body` returns an empty Spool."""

    def __init__(self, new_body: Callable[[], Spool]) -> None:
        self.new_body = new_body
        self._list: list[tuple[str, tuple[Any, ...]]] = []

    def add_top(self, name: bytes, value: bytes) -> None:
        self._note("add_top", _field(name, value))

    def insert(self, index: int, name: bytes, value: bytes) -> None:
        self._note("insert", index, _field(name, value))

    def add(self, name: bytes, value: bytes) -> None:
        self._note("add", _field(name, value))

    def change(self, name: bytes, n: int, value: bytes) -> None:
        self._note("change", n, _field(name, value))

    def delete(self, name: bytes, n: int) -> None:
        self._note("delete", n, name)

    def delete_fields(self, name: bytes, numbers: Iterable[int]) -> None:
        self._note("delete_fields", frozenset(numbers), name)

    def replace_body(self, chunks: Iterable[bytes] | Spool) -> None:
        """Read all of `chunks` now, so that its errors are raised here. A last line without LF gets one."""
        body = chunks if isinstance(chunks, Spool) else self._filled(chunks)
        if body.size and b"".join(body.blocks(body.size - 1)) != b"\n":
            body.write(b"\n")
        self._note("replace_body", body)

    def sender(self, address: bytes) -> None:
        self._note("change_sender", _address(address))

    def add_recipient(self, address: bytes) -> None:
        self._note("add_recipient", _address(address, least=1))

    def remove_recipient(self, address: bytes) -> None:
        self._note("remove_recipient", address)

    def discard(self) -> None:
        self._note("discard")

    def described(self) -> list[bytes]:
        """One line for each edit, for the log."""
        return [b" ".join([name.replace("_", " ").encode(), *map(_shown, what)]) for name, what in self._list]

    def apply(self, held: Held, sender: bytes, recipients: list[bytes]) -> Draft:
        """The message and envelope with all edits applied; the arguments are not changed."""
        draft = Draft(held, sender, recipients)
        for name, what in self._list:
            getattr(draft, name)(*what)
        return draft

    def __bool__(self) -> bool:
        return bool(self._list)

    def _note(self, name: str, *what: object) -> None:
        self._list.append((name, what))

    def _filled(self, chunks: Iterable[bytes]) -> Spool:
        body = self.new_body()
        for chunk in chunks:
            body.write(chunk)
        return body


class Draft:
    """A message and its envelope while edits are applied: one method for each kind of edit."""

    def __init__(self, held: Held, sender: bytes, recipients: list[bytes]) -> None:
        self._entries = list(held.entries)
        self._gap = held.gap
        self._body = (held.spool, held.start)
        self.sender = sender
        self._recipients = _Recipients(recipients)
        self.discarded = False

    @property
    def recipients(self) -> list[bytes]:
        return self._recipients.in_order()

    def held(self) -> Held:
        return Held(self._entries, self._gap, *self._body)

    def add_top(self, field: Field) -> None:
        self._insert(0, field)

    def insert(self, index: int, field: Field) -> None:
        below = 1 + max(place for place, entry in enumerate(self._entries) if entry.ours)
        self._insert(below + index - 1 if index > 0 else 0, field)

    def add(self, field: Field) -> None:
        self._insert(len(self._entries), field)

    def change(self, n: int, field: Field) -> None:
        place = self._place(field.name, n)
        if place is None:
            self.add(field)
        else:
            self._entries[place] = field

    def delete(self, n: int, name: bytes) -> None:
        place = self._place(name, n)
        if place is not None:
            del self._entries[place]

    def delete_fields(self, numbers: frozenset[int], name: bytes) -> None:
        called = [entry.is_called(name) for entry in self._entries]
        numbered = zip(self._entries, called, accumulate(called), strict=True)
        self._entries = [entry for entry, is_one, n in numbered if not (is_one and n in numbers)]

    def replace_body(self, body: Spool) -> None:
        self._gap = b"\n"
        self._body = (body, 0)

    def change_sender(self, address: bytes) -> None:
        self.sender = address

    def add_recipient(self, address: bytes) -> None:
        self._recipients.add(address)

    def remove_recipient(self, address: bytes) -> None:
        self._recipients.remove(address)

    def discard(self) -> None:
        self.discarded = True

    def _insert(self, place: int, field: Field) -> None:
        """Insert a field. A message that came without a blank line gets one, or its body would follow the field
        directly."""
        self._gap = b"\n"
        self._entries.insert(place, field)

    def _place(self, name: bytes, n: int) -> int | None:
        """The index of the n-th field of that name among the entries, None if there is none."""
        key = name.lower()
        places = [place for place, entry in enumerate(self._entries) if entry.key == key and not entry.ours]
        return places[max(n, 1) - 1] if len(places) >= max(n, 1) else None


class _Recipients:
    """The recipients of an envelope. Adding and removing take no longer with many: a milter may exchange all of those
    that a client has named."""

    def __init__(self, addresses: list[bytes]) -> None:
        self._numbered = dict(enumerate(addresses))
        self._next = len(addresses)
        self._numbers: dict[bytes, list[int]] = {}  # by address, its domain in lower case; one may have come twice
        for number, address in self._numbered.items():
            self._numbers.setdefault(_folded_domain(address), []).append(number)

    def in_order(self) -> list[bytes]:
        return list(self._numbered.values())

    def add(self, address: bytes) -> None:
        """Unless it is there already."""
        if self._numbers.setdefault(_folded_domain(address), [self._next]) == [self._next]:
            self._numbered[self._next] = address
            self._next += 1

    def remove(self, address: bytes) -> None:
        for number in self._numbers.pop(_folded_domain(address), ()):
            del self._numbered[number]


def _field(name: bytes, value: bytes) -> Field:
    if not is_name(name):
        raise ValueError(f"{name!r} cannot be the name of a field")
    first, *more = value.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n").split(b"\n")
    folds = (line if line.startswith((b" ", b"\t")) else b"\t" + line for line in more)
    lines = [b"%b:%b" % (name, first), *folds]
    return Field(b"".join(_folded(line) + b"\n" for line in lines))


def _folded(line: bytes) -> bytes:
    """A header line folded at blanks into lines of at most LONGEST_LINE bytes, since the next mail server could refuse
    longer ones. A part without blanks stays as it is: nothing is cut off."""
    pieces = []
    while len(line) > LONGEST_LINE:
        blank = line.rfind(b" ", 1, LONGEST_LINE + 1)
        if not line[: max(blank, 0)].strip(b" \t"):
            break
        pieces.append(line[:blank])
        line = line[blank:]
    return b"\n".join([*pieces, line])


def _address(address: bytes, least: int = 0) -> bytes:
    """The address, if it is fit for an envelope and has at least so many bytes. Raises ValueError."""
    if not is_fit(address) or len(address) < least:
        raise ValueError(f"{address[:100]!r} cannot be an address")
    return address


def _folded_domain(address: bytes) -> bytes:
    local, domain = split(address)
    return address if domain is None else b"%b@%b" % (local, domain.lower())


def _shown(what: object) -> bytes:
    if isinstance(what, Field):
        return what.raw[:-1]
    if isinstance(what, bytes):
        return what
    if isinstance(what, frozenset):
        return b"%d" % len(what)
    return b"%d" % what if isinstance(what, int) else b""
