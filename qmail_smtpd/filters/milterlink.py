"""A connection to a milter: negotiation, one command at a time, with a timeout for every answer (SPEC section 15).

Raises MilterFailed for any error: no connection, no answer in time, an answer that violates the protocol or was not
asked for, an edit that was not negotiated or comes too early. MilterGone is raised if the milter has closed the
connection.
"""

from __future__ import annotations

from time import monotonic

from ..net.stream import Closed, StreamError, connect
from . import milter
from .milter import ANSWERS, COMMANDS, BadPacket, Packets, pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .milter import Fields
    from .settings import Filter

LONGEST_ANSWER = 3600  # seconds; the limit for a milter that keeps sending PROGRESS
MOST_UNSENT = 1 << 16  # bytes; commands without an answer are collected up to this size and sent together
VERDICTS = frozenset(
    (
        *(milter.CONTINUE, milter.ACCEPT, milter.REJECT, milter.TEMPFAIL),
        *(milter.DISCARD, milter.SKIP, milter.REPLY_CODE, milter.SHUTDOWN),
    )
)
# The macros that are sent with each stage, unless the milter asks for others.
MACROS = {
    milter.CONNECT: b"j v {daemon_name} {daemon_port} {client_addr} {client_name} {client_ptr} {client_port}"
    b" {client_connections} {if_addr} {if_name}",
    milter.HELO: b"{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    milter.MAIL: b"i {auth_authen} {auth_type} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    milter.RCPT: b"{rcpt_addr} {rcpt_host} {rcpt_mailer} {nrcpts}",
    milter.END_OF_BODY: b"i",
}


class MilterFailed(Exception):
    """A milter cannot be used; args[0] says why, as bytes for the log."""


class MilterGone(MilterFailed):
    """The milter has closed the connection."""


class Link:
    """See the module's docstring. Connects and negotiates at once."""

    def __init__(self, settings: Filter) -> None:
        self._seconds = settings.seconds(b"timeout")
        self._end_seconds = settings.seconds(b"end")
        self._packets = Packets()
        self._unsent = bytearray()
        self._macros = {stage: _names(text) for stage, text in MACROS.items()}
        self._version = self._actions = self._steps = 0
        try:
            self._stream = connect(settings.address, monotonic() + settings.seconds(b"connect"))
        except StreamError as trouble:
            raise MilterFailed(trouble.args[0]) from trouble
        try:
            self._negotiate()
        except MilterFailed:
            self.close()
            raise

    def can(self, bit: int) -> bool:
        """Whether this step (SMFIP_*) was negotiated."""
        return bool(self._steps & bit)

    def wants(self, command: bytes) -> bool:
        """Whether the milter wants this command to be sent."""
        return not self.can(milter.NOT_SENT.get(command, 0)) and self._version >= milter.SINCE.get(command, 0)

    def ask(self, command: bytes, fields: Fields, values: Mapping[bytes, bytes]) -> tuple[bytes, Fields]:
        """Send a command with its macros; the verdict. CONTINUE if the milter does not want the command or does not
        answer it."""
        if not self.wants(command):
            return milter.CONTINUE, ()
        self._queue(command, fields, values)
        if self.can(milter.NOT_ANSWERED.get(command, 0)):
            if len(self._unsent) > MOST_UNSENT:
                self._send(self._seconds, answered=False)
            return milter.CONTINUE, ()
        self._send(self._seconds)
        letter, fields = self._answer()
        if letter not in VERDICTS:
            raise MilterFailed(b"unexpected answer %r" % letter)
        return letter, fields

    def finish(self, values: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, Fields]]:
        """Send the end of the message; yields the edits, then the verdict."""
        self._queue(milter.END_OF_BODY, (b"",), values)
        self._send(self._end_seconds)
        while True:
            letter, fields = self._answer()
            if letter in milter.EDITS:
                if not self._actions & milter.ACTION_OF[letter]:
                    raise MilterFailed(b"edit %r was not negotiated" % letter)
            elif letter not in VERDICTS:
                raise MilterFailed(b"unexpected answer %r" % letter)
            yield letter, fields
            if letter in VERDICTS:
                return

    def tell(self, command: bytes) -> None:
        """Send a command that has no answer: ABORT, QUIT."""
        self._unsent += pack(COMMANDS, command)
        self._send(self._seconds, answered=False)

    def usable(self) -> bool:
        """Whether the connection is open and the milter waits for a command."""
        return self._packets.empty() and self._stream.quiet()

    def close(self) -> None:
        self._stream.close()

    def _negotiate(self) -> None:
        self._unsent += pack(COMMANDS, milter.NEGOTIATE, (milter.VERSION, milter.ALL_ACTIONS, milter.ALL_STEPS))
        self._send(self._seconds)
        letter, fields = self._answer()
        if letter != milter.NEGOTIATE:
            raise MilterFailed(b"it answers the negotiation with %r" % letter)
        self._version, self._actions, self._steps, lists = fields
        if not milter.OLDEST <= self._version <= milter.VERSION:
            raise MilterFailed(b"its protocol version, %d, is not supported" % self._version)
        if self._actions & ~milter.ALL_ACTIONS or self._steps & ~milter.ALL_STEPS:
            raise MilterFailed(b"it asks for unknown actions or steps: %#x %#x" % (self._actions, self._steps))
        self._set_macros(lists)

    def _set_macros(self, lists: tuple[tuple[int, bytes], ...]) -> None:
        if lists and not self._actions & milter.ACTION_OF[milter.SET_MACROS]:
            raise MilterFailed(b"a list of macros was not negotiated")
        for stage, text in lists:
            if stage < len(milter.STAGES):
                self._macros[milter.STAGES[stage]] = _names(text)

    def _queue(self, command: bytes, fields: Fields, values: Mapping[bytes, bytes]) -> None:
        pairs = [(name, values[name]) for name in self._macros.get(command, ()) if values.get(name)]
        if pairs:
            self._unsent += pack(COMMANDS, milter.MACROS, (command, pairs))
        self._unsent += pack(COMMANDS, command, fields)

    def _send(self, seconds: int, answered: bool = True) -> None:
        """Send everything that was collected; if it is `answered`, that must happen within `seconds`."""
        self._timeout = seconds
        self._deadline = monotonic() + seconds
        self._last = monotonic() + max(seconds, LONGEST_ANSWER)
        if answered:
            self._expect_nothing()
        data, self._unsent = self._unsent, bytearray()
        try:
            self._stream.send(data, self._deadline)
        except Closed as trouble:
            raise MilterGone(trouble.args[0]) from trouble
        except StreamError as trouble:
            raise MilterFailed(trouble.args[0]) from trouble

    def _expect_nothing(self) -> None:
        """Before a command nothing but PROGRESS may have come. Any other answer would be taken for that of the command,
        and so on: the verdict on the message would be the answer to an earlier command."""
        while not self.usable():
            letter, _ = self._unpacked()
            if letter != milter.PROGRESS:
                raise MilterFailed(b"answer %r, but nothing was asked" % letter)

    def _answer(self) -> tuple[bytes, Fields]:
        """The next answer other than PROGRESS, which only extends the deadline, and SET_MACROS."""
        while True:
            letter, fields = self._unpacked()
            if letter == milter.PROGRESS:
                self._deadline = min(monotonic() + self._timeout, self._last)
            elif letter == milter.SET_MACROS:
                self._set_macros(*fields)
            elif letter == milter.CONNECTION_FAILURE:
                raise MilterFailed(b"it wants to be treated as unreachable")
            else:
                return letter, fields

    def _unpacked(self) -> tuple[bytes, Fields]:
        try:
            return unpack(ANSWERS, self._packet())
        except BadPacket as trouble:
            raise MilterFailed(trouble.args[0]) from trouble

    def _packet(self) -> bytes:
        while (packet := self._packets.next()) is None:
            try:
                data = self._stream.receive(self._deadline)
            except Closed as trouble:
                raise MilterGone(trouble.args[0]) from trouble
            except StreamError as trouble:
                raise MilterFailed(trouble.args[0]) from trouble
            if not data:
                raise MilterGone(b"it has closed the connection")
            self._packets.receive(data)
        return packet


def _names(text: bytes) -> list[bytes]:
    """The macros in a list, each as in the protocol: a single letter as it is, a longer name in braces."""
    bare = (name.strip(b"{}") for name in text.replace(b",", b" ").split())
    return [b"{%b}" % name if len(name) > 1 else name for name in bare if name]
