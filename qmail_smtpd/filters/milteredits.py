"""What a milter wants changed, as edits of the held message (SPEC sections 14 and 15).

    wanted = WantedEdits(leading_space, spool)
    wanted.add(letter, fields)      raises Malformed for what no message could have
    wanted.apply(edits)             all of them, in order
    wanted.drop()                   none of them

An edit is the name of a method of the Edits of a transaction, and its arguments. A replaced body goes to a spool, which
is opened by the first piece. Bounded: MOST edits of MOST_BYTES together, the body apart.
"""

from __future__ import annotations

from ..smtp.replies import printable
from . import milter
from .milter import Malformed

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
LONGEST_ADDRESS = 900
LONGEST_REASON = 900  # bytes of a header line
_NAME_BYTES = bytes(byte for byte in range(33, 127) if byte != ord(":"))  # RFC 5322 section 2.2


class WantedEdits:
    """See the module's text. `quarantine` is the reason that was given, None without one."""

    def __init__(self, leading_space: bool, spool: Callable[[], Spool]) -> None:
        self.quarantine: bytes | None = None
        self.body: Spool | None = None
        self._edits: list[Edit] = []
        self._bytes = 0
        self._blank = b"" if leading_space else b" "
        self._open_spool = spool
        self._cr = False  # the body's last piece ended in a CR that waits for its LF

    def add(self, letter: bytes, fields: Fields) -> None:
        if letter == milter.REPLACE_BODY:
            self._body(fields[0])
            return
        self._bytes += sum(len(field) for field in fields if isinstance(field, bytes))
        if len(self._edits) == MOST or self._bytes > MOST_BYTES:
            raise Malformed(b"more edits than any message needs")
        if letter == milter.QUARANTINE:
            self.quarantine = printable(fields[0].replace(b"\r\n", b" "))[:LONGEST_REASON].strip()
        else:
            self._edits.append(_MAKERS[letter](self, *fields))

    def mark(self) -> None:
        """The message says that it is quarantined."""
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
        """CRLF becomes LF, also where it is cut in two."""
        if self.body is None:
            self.body = self._open_spool()
        if self._cr:
            piece = b"\r" + piece
        self._cr = piece.endswith(b"\r")
        self.body.write((piece[:-1] if self._cr else piece).replace(b"\r\n", b"\n"))

    def _value(self, value: bytes) -> bytes:
        """All that stands behind the colon."""
        return self._blank + value

    def _add_field(self, name: bytes, value: bytes) -> Edit:
        return "add", _field_name(name), self._value(value)

    def _insert_field(self, index: int, name: bytes, value: bytes) -> Edit:
        """0 is the very top; our Received counts as 0, so 1 is the place below it."""
        if index == 0:
            return "add_top", _field_name(name), self._value(value)
        return "insert", index, _field_name(name), self._value(value)

    def _change_field(self, index: int, name: bytes, value: bytes) -> Edit:
        if not value:
            return "delete", _field_name(name), index or 1
        return "change", _field_name(name), index or 1, self._value(value)


def _field_name(name: bytes) -> bytes:
    if not name or name.translate(None, _NAME_BYTES):
        raise Malformed(b"no header field is named %r" % name)
    return name


def _address(text: bytes) -> bytes:
    """Without the brackets that it comes in."""
    address = text.strip(b" ")
    if address.startswith(b"<") and address.endswith(b">"):
        address = address[1:-1]
    if len(address) > LONGEST_ADDRESS or b"\n" in address:
        raise Malformed(b"an address that is none")
    return address


_MAKERS: dict[bytes, Callable[..., Edit]] = {
    milter.ADD_HEADER: WantedEdits._add_field,
    milter.INSERT_HEADER: WantedEdits._insert_field,
    milter.CHANGE_HEADER: WantedEdits._change_field,
    milter.ADD_RCPT: lambda self, address: ("add_recipient", _address(address)),
    milter.ADD_RCPT_WITH: lambda self, words: ("add_recipient", _address(words[0])),
    milter.DELETE_RCPT: lambda self, address: ("remove_recipient", _address(address)),
    milter.CHANGE_FROM: lambda self, words: ("sender", _address(words[0])),
}
