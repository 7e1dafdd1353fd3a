"""The SMTP conversation without I/O: bytes in, events out; replies in, bytes out (RFC 5321).

    protocol.receive(data)              add input, in pieces of any size
    protocol.next_event()               the next Event, or None if it needs more input
    protocol.out_of_sequence(event)     the refusal of an event that its state does not allow, or None: ask the session
    protocol.reply(event, reply)        change the state; returns the bytes to send

The same input gives the same events however it was cut into pieces. Raises nothing.
"""

from __future__ import annotations

from . import state as machine
from .events import Rcpt
from .message import MessageReader
from .readers import LineReader, auth_response, command
from .replies import TAKES_NO_ARGUMENT
from .state import (
    AUTH,
    CLOSED,
    DATA,
    IDLE,
    OUT_OF_SEQUENCE,
    RESTRICTED,
    RESUME,
    STRICTLY_OUT_OF_SEQUENCE,
    TLS,
    WITHOUT_ARGUMENT,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Event
    from .replies import Reply

PEEK = 8192  # bytes of unread input that recipients_ahead looks at


class Protocol:
    """The protocol state of one connection, and its unread input."""

    __slots__ = ("state", "_buffer", "_lines", "_message", "_resume", "strict")

    def __init__(self) -> None:
        self.state = IDLE
        self.strict = False  # STRICTREPLIES
        self._buffer = bytearray()
        self._lines = LineReader()
        self._message = MessageReader()
        self._resume = IDLE

    def receive(self, data: bytes) -> None:
        self._buffer += data

    def has_input(self) -> bool:
        """Whether there is input that `next_event` has not returned yet."""
        return bool(self._buffer)

    def next_event(self) -> Event | None:
        """The next event in the input, as the current state reads it. Nothing is read in TLS and CLOSED."""
        if not self._buffer:
            return None
        if self.state == DATA:
            return self._message.read(self._buffer)
        if self.state == AUTH:
            return self._lines.read(self._buffer, auth_response)
        if self.state in (TLS, CLOSED):
            return None
        return self._lines.read(self._buffer, command)

    def recipients_ahead(self) -> list[bytes]:
        """The addresses of RCPT commands that the client has sent already, up to the first other command. Pipelining
        clients send many at once, and a check can look them all up together."""
        found: list[bytes] = []
        for line in bytes(self._buffer[:PEEK]).split(b"\n")[:-1]:
            event = command(line.removesuffix(b"\r").partition(b"\0")[0])
            if not isinstance(event, Rcpt) or event.address is None:
                break
            found.append(event.address)
        return found

    def out_of_sequence(self, event: Event) -> Reply | None:
        """The refusal of an event that may not come in this state, None if it may."""
        early = OUT_OF_SEQUENCE.get(self.state, {}).get(type(event))
        return self._strictly(event) if early is None and self.strict else early

    def _strictly(self, event: Event) -> Reply | None:
        if isinstance(event, WITHOUT_ARGUMENT) and event.argument:
            return TAKES_NO_ARGUMENT
        return STRICTLY_OUT_OF_SEQUENCE.get(self.state, {}).get(type(event))

    def reply(self, event: Event, reply: Reply) -> bytes:
        """Change the state as the table in state.py says; the bytes to send."""
        target = machine.after(self.state, event, reply)
        if target == RESUME:
            target = self._resume
        elif target == AUTH and self.state != AUTH:
            self._resume = self.state
        elif target == DATA:
            self._message = MessageReader()
        self.state = target
        return reply.encode()

    def restrict(self) -> None:
        """The greeting was a refusal: from now on only QUIT is accepted."""
        self.state = RESTRICTED

    def encrypted(self) -> None:
        """The TLS handshake is done: input that came before it is thrown away (RFC 3207 section 4.2)."""
        self._buffer.clear()
        self._lines = LineReader()
        self.state = IDLE
