"""The edits that a milter sends, translated into those of a held message (SPEC sections 14 and 15).

    wanted = WantedEdits(leading_space, spool)
    wanted.add(letter, fields)      add an edit as sent; raises BadPacket for an invalid one
    wanted.apply(edits)             pass all of them, in order, to the Edits of a transaction
    wanted.drop()                   forget all of them

An edit is kept as the name of a method of Edits and its arguments. A new body is written to a Spool, which is created
for its first piece. At most MOST edits with MOST_BYTES altogether are accepted, not counting the body.
"""

from __future__ import annotations

from ..smtp.address import bare, is_fit
from ..smtp.fields import is_name
from ..smtp.replies import printable
from . import milter
from .milter import BadPacket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from .milter import Fields

    Edit = tuple[Any, ...]

    class Spool(Protocol):
        def write(self, data: bytes) -> object: ...
        def close(self) -> object: ...


MOST, MOST_BYTES = 10_000, 1 << 22
LONGEST_REASON = 900  # bytes of a header line


class WantedEdits:
    """See the module's docstring. `leading_space`: values come with the blank behind the colon. `quarantine` is the
    reason that the milter gave for a quarantine, None if it asked for none."""

    def __init__(self, leading_space: bool, spool: Callable[[], Spool]) -> None:
        self.quarantine: bytes | None = None
        self.body: Spool | None = None
        self._edits: list[Edit] = []
        self._bytes = 0
        self._blank = b"" if leading_space else b" "
        self._open_spool = spool
        self._cr = False  # the last piece of the body ended in CR, and LF may follow in the next

    def add(self, letter: bytes, fields: Fields) -> None:
        if letter == milter.REPLACE_BODY:
            self._body(fields[0])
            return
        self._bytes += sum(len(field) for field in fields if isinstance(field, bytes))
        if len(self._edits) == MOST or self._bytes > MOST_BYTES:
            raise BadPacket(b"more than %d edits, or %d bytes of them" % (MOST, MOST_BYTES))
        if letter == milter.QUARANTINE:
            self.quarantine = printable(fields[0].replace(b"\r\n", b" "))[:LONGEST_REASON].strip()
        else:
            self._edits.append(_MAKERS[letter](self, *fields))

    def mark(self) -> None:
        """Add a field that marks the message as quarantined."""
        self._edits.append(("add_top", b"X-Quarantine", b" %b" % (self.quarantine or b"unknown")))

    def apply(self, edits: Any) -> None:
        for method, *arguments in self._edits:
            getattr(edits, method)(*arguments)
        if self.body is not None:
            if self._cr:
                self.body.write(b"\r")
            body, self.body = self.body, None
            edits.replace_body(body)

    def drop(self) -> None:
        if self.body is not None:
            self.body.close()
            self.body = None
        self._edits = []

    def _body(self, piece: bytes) -> None:
        """Write a piece of the new body, with CRLF changed to LF, also if two pieces share a CRLF."""
        if self.body is None:
            self.body = self._open_spool()
        if self._cr:
            piece = b"\r" + piece
        self._cr = piece.endswith(b"\r")
        self.body.write((piece[:-1] if self._cr else piece).replace(b"\r\n", b"\n"))

    def _value(self, value: bytes) -> bytes:
        """The value as Edits needs it: everything behind the colon, with a blank."""
        return self._blank + value

    def _add_field(self, name: bytes, value: bytes) -> Edit:
        return "add", _field_name(name), self._value(value)

    def _insert_field(self, index: int, name: bytes, value: bytes) -> Edit:
        """Milters count our Received field as number 0: index 0 is above it, 1 directly below it."""
        if index == 0:
            return "add_top", _field_name(name), self._value(value)
        return "insert", index, _field_name(name), self._value(value)

    def _change_field(self, index: int, name: bytes, value: bytes) -> Edit:
        if not value:
            return "delete", _field_name(name), index or 1
        return "change", _field_name(name), index or 1, self._value(value)


def _field_name(name: bytes) -> bytes:
    if not is_name(name):
        raise BadPacket(b"%r is no name of a header field" % name)
    return name


def _address(text: bytes) -> bytes:
    """An address without its brackets. Raises BadPacket."""
    address = bare(text.strip(b" "))
    if not is_fit(address):
        raise BadPacket(b"an invalid address")
    return address


def _recipient(text: bytes) -> bytes:
    """The address of a new recipient: unlike a sender it is not empty. Raises BadPacket."""
    address = _address(text)
    if not address:
        raise BadPacket(b"an empty recipient")
    return address


_MAKERS: dict[bytes, Callable[..., Edit]] = {
    milter.ADD_HEADER: WantedEdits._add_field,
    milter.INSERT_HEADER: WantedEdits._insert_field,
    milter.CHANGE_HEADER: WantedEdits._change_field,
    milter.ADD_RCPT: lambda self, address: ("add_recipient", _recipient(address)),
    milter.ADD_RCPT_WITH: lambda self, words: ("add_recipient", _recipient(words[0])),
    milter.DELETE_RCPT: lambda self, address: ("remove_recipient", _address(address)),
    milter.CHANGE_FROM: lambda self, words: ("sender", _address(words[0])),
}
