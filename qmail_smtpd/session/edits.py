"""What a check wants changed about a held message (SPEC section 14). Pure: no descriptors.

    edits.add_top(name, value)          a field above all others, our Received too: the last one added is the first
    edits.insert(index, name, value)    0 is the top; 1 is just below our Received, before the client's first field
    edits.add(name, value)              at the end of the header
    edits.change(name, n, value)        the n-th field of that name, any case; one that is not there is added at the end
    edits.delete(name, n)               the same; one that is not there stays so
    edits.delete_fields(name, numbers)  the fields with these n, all at once: many of them cost no more than one
    edits.replace_body(chunks)          with LF line ends: an iterable of bytes, or what edits.new_body() gave
    edits.sender(address)               of the envelope
    edits.add_recipient(address)        unless it is one already
    edits.remove_recipient(address)     domains in any case
    edits.discard()                     accept the message, and queue nothing

They are carried out one after the other, each on what the ones before it have made, once the check has let the
message pass; else not at all. `n` counts from 1 (0 means 1) the fields that `held.fields` shows. A value is all that
goes behind the colon, a blank at its beginning too; in it CR LF and CR are LF, and a line that is no continuation is
made one; a line too long for the next hop is folded. Raises ValueError for what cannot be a field or an address, and
SpoolError.
"""

from __future__ import annotations

from itertools import accumulate

from ..programs.spool import Spool
from ..smtp.address import LONGEST, split
from ..smtp.received import LONGEST_LINE
from .held import Field, Held, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class Edits:
    """See the module's text."""

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
        """Takes all of `chunks` at once: what goes wrong with it goes wrong here. A last line without LF gets one."""
        body = chunks if isinstance(chunks, Spool) else self._filled(chunks)
        if body.size and b"".join(body.blocks(body.size - 1)) != b"\n":
            body.write(b"\n")
        self._note("replace_body", body)

    def sender(self, address: bytes) -> None:
        self._note("change_sender", _address(address))

    def add_recipient(self, address: bytes) -> None:
        self._note("add_recipient", _address(address))

    def remove_recipient(self, address: bytes) -> None:
        self._note("remove_recipient", address)

    def discard(self) -> None:
        self._note("discard")

    def described(self) -> list[bytes]:
        """A line for each, for people."""
        return [b" ".join([name.replace("_", " ").encode(), *map(_shown, what)]) for name, what in self._list]

    def apply(self, held: Held, sender: bytes, recipients: list[bytes]) -> Draft:
        """What they make of a message and its envelope, which stay as they are."""
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
    """A message while it is edited: a method for each kind of edit."""

    def __init__(self, held: Held, sender: bytes, recipients: list[bytes]) -> None:
        self._entries = list(held.entries)
        self._gap = held.gap
        self._body = (held.spool, held.start)
        self.sender = sender
        self.recipients = list(recipients)
        self.discarded = False

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
        if _same(address) not in map(_same, self.recipients):
            self.recipients.append(address)

    def remove_recipient(self, address: bytes) -> None:
        self.recipients = [one for one in self.recipients if _same(one) != _same(address)]

    def discard(self) -> None:
        self.discarded = True

    def _insert(self, place: int, field: Field) -> None:
        """A message that came without a blank line gets one, or the body would go on where our field ends."""
        self._gap = b"\n"
        self._entries.insert(place, field)

    def _place(self, name: bytes, n: int) -> int | None:
        """Of the n-th field of that name among the entries."""
        places = [place for place, entry in enumerate(self._entries) if entry.is_called(name)]
        return places[max(n, 1) - 1] if len(places) >= max(n, 1) else None


def _field(name: bytes, value: bytes) -> Field:
    if not is_name(name):
        raise ValueError(f"{name!r} cannot be the name of a field")
    first, *more = value.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n").split(b"\n")
    folds = (line if line.startswith((b" ", b"\t")) else b"\t" + line for line in more)
    lines = [b"%b:%b" % (name, first), *folds]
    return Field(b"".join(_folded(line) + b"\n" for line in lines))


def _folded(line: bytes) -> bytes:
    """The next hop could refuse what is longer than LONGEST_LINE: it goes on in another line, from a blank on. What
    has no blank stays as it is, nothing is cut off."""
    pieces = []
    while len(line) > LONGEST_LINE:
        blank = line.rfind(b" ", 1, LONGEST_LINE + 1)
        if not line[: max(blank, 0)].strip(b" \t"):
            break
        pieces.append(line[:blank])
        line = line[blank:]
    return b"\n".join([*pieces, line])


def _address(address: bytes) -> bytes:
    """NUL ends an address in the envelope, and LF a line in many a queue."""
    if len(address) > LONGEST or b"\0" in address or b"\n" in address:
        raise ValueError(f"{address[:100]!r} cannot be an address")
    return address


def _same(address: bytes) -> bytes:
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
