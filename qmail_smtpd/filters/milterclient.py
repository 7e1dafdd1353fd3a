"""The mail server's side of the milter protocol, for one milter and one session (SPEC section 15).

Commands are passed on in the order of SMTP; each method returns the milter's refusal, or None. Once the milter has
decided about the session (at CONNECT or HELO) or about the message, it is not asked again about it. If the milter
fails, the option `default=` decides about the message; the next message begins with a new connection, on which CONNECT
and HELO are sent again.

    client.connect(about), helo(name), mail(words), rcpt(words), refused_rcpt(words), data(), unknown(line)
    client.message(message)     send header, body and end; afterwards `wanted` has the milter's edits, None for none
    client.reset()              the message is abandoned
    client.close()

`values` are the macros that are known, by name, set by the caller. `discards`: the message must be accepted and thrown
away. Never raises, whatever the milter does; but a Spool may raise SpoolError.
"""

from __future__ import annotations

from . import milter
from .milter import BadPacket
from .milteredits import WantedEdits
from .milterlink import Link, MilterFailed, MilterGone
from .settings import ACCEPT, REJECT, TEMPFAIL
from .verdicts import ACCEPTED, DISCARDED, LATER, REFUSED, SHUT_DOWN, UNAVAILABLE, UNAVAILABLE_FOR_GOOD, own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from ..smtp.replies import Reply
    from .milter import Fields
    from .milteredits import Spool
    from .settings import Filter

    class Message(Protocol):
        """The message for the milter (session/held.py): values as they are stored, LF line ends."""

        @property
        def fields(self) -> list[tuple[bytes, bytes]]: ...

        def body(self) -> Iterator[bytes]: ...


DEFAULTS = {TEMPFAIL: UNAVAILABLE, ACCEPT: ACCEPTED, REJECT: UNAVAILABLE_FOR_GOOD}
PLAIN = {
    milter.ACCEPT: ACCEPTED,
    milter.DISCARD: DISCARDED,
    milter.REJECT: REFUSED,
    milter.TEMPFAIL: LATER,
    milter.SHUTDOWN: SHUT_DOWN,
}

# The commands as the log names them, behind what went wrong
AT = {
    milter.CONNECT: b"the connection",
    milter.HELO: b"HELO",
    milter.MAIL: b"MAIL",
    milter.RCPT: b"RCPT",
    milter.UNKNOWN: b"an unknown command",
    milter.DATA: b"DATA",
    milter.HEADER: b"the header",
    milter.END_OF_HEADER: b"the header",
    milter.BODY: b"the body",
    milter.END_OF_BODY: b"the end of the message",
}


class MilterClient:
    """See the module's docstring. `complain` logs why the milter failed; `spool` returns an empty Spool for a body."""

    def __init__(self, settings: Filter, complain: Callable[[bytes], None], spool: Callable[[], Spool]) -> None:
        self.values: dict[bytes, bytes] = {}
        self.wanted: WantedEdits | None = None
        self._settings = settings
        self._complain = complain
        self._spool = spool
        self._link: Link | None = None
        self._about: Fields = ()  # of CONNECT
        self._name: bytes | None = None  # of HELO
        self._session: Reply | None = None  # what was decided about the session
        self._message: Reply | None = None  # what was decided about the message
        self._failed = False  # the milter failed in this message
        self._begun = False  # MAIL was sent, and the message is not over
        self._command = b""  # the one that was sent last on this connection
        self._skipped: set[bytes] = set()  # commands that the milter does not need any more in this message

    @property
    def discards(self) -> bool:
        return DISCARDED in (self._session, self._message)

    def verdict(self, refusal: Reply | None) -> str:
        """The milter's verdict so far, in a word for the log; `refusal` is its last answer."""
        if refusal is not None:
            return "reject" if refusal.code >= 500 else "tempfail"
        return "discard" if self.discards else "unavailable" if self._failed else "pass"

    @property
    def decided(self) -> Reply | None:
        """What was decided about the session or the message: a refusal, ACCEPTED, DISCARDED, or None for nothing."""
        return self._session or self._message

    # The commands of SMTP

    def about(self, client: Fields, helo: bytes | None) -> None:
        """The fields of CONNECT (host, family, port, address) and the name of HELO, to be sent once the milter is
        asked."""
        self._about, self._name = client, helo

    def connect(self, about: Fields) -> Reply | None:
        self.about(about, None)
        return self._decide(self._open)

    def helo(self, name: bytes) -> Reply | None:
        self._name = name
        if self._failed and self._message is ACCEPTED:
            return None  # it is tried again with the next message, so that HELO does not wait for it as well
        self.reset()
        return self._decide(lambda: self._begin(milter.HELO, (name,)))

    def mail(self, words: list[bytes]) -> Reply | None:
        """MAIL; `words`: <address>, then the parameters."""
        self.reset()
        return self._decide(lambda: self._begin(milter.MAIL, (words,)))

    def rcpt(self, words: list[bytes]) -> Reply | None:
        return self._decide(lambda: self._say(milter.RCPT, (words,)))

    def refused_rcpt(self, words: list[bytes]) -> None:
        """A recipient that another check has refused; sent only to milters that have asked for these."""
        if self._link is not None and self._link.can(milter.REFUSED_RCPTS):
            self.rcpt(words)

    def data(self) -> Reply | None:
        return self._decide(lambda: self._say(milter.DATA, ()))

    def unknown(self, line: bytes) -> Reply | None:
        return self._decide(lambda: self._say(milter.UNKNOWN, (line,))) if self._is_open() else None

    def message(self, message: Message) -> Reply | None:
        return self._decide(lambda: self._show(message))

    def reset(self) -> None:
        """Forget the message, here and in the milter (ABORT)."""
        self._message, self._failed = None, False
        self._want_nothing()
        self._skipped.clear()
        if self._begun and self._link is not None:
            try:
                self._link.tell(milter.ABORT)
            except MilterFailed:
                self._drop()
        self._begun = False

    def close(self) -> None:
        self.reset()
        if self._link is not None:
            try:
                self._link.tell(milter.QUIT)
            except MilterFailed:
                pass  # the connection is broken already
        self._drop()

    # How they are asked

    def _decide(self, ask: Callable[[], Reply | None]) -> Reply | None:
        """The refusal: of what was decided before, else of what `ask` returns, else, if that fails, of `default=`."""
        if self.decided is None:
            try:
                said = ask()
            except (MilterFailed, BadPacket) as trouble:
                self._drop()
                self._want_nothing()
                self._failed = True
                where = b", at " + AT[self._command] if self._command else b""
                self._complain(trouble.args[0] + where)
                said = self._message = DEFAULTS[self._settings.word(b"default")]
        else:
            said = self.decided
        return said if said is not None and said.refuses else None

    def _is_open(self) -> bool:
        return self._link is not None and self._link.usable()

    def _open(self) -> Reply | None:
        """Make sure that there is a connection on which CONNECT and HELO were sent. Raises MilterFailed."""
        if self._is_open():
            return None
        self._drop()
        self._command = b""
        self._link = Link(self._settings)
        said = self._say(milter.CONNECT, self._about)
        if said is None and self._name is not None:
            said = self._say(milter.HELO, (self._name,))
        return said

    def _begin(self, command: bytes, fields: Fields) -> Reply | None:
        """HELO or MAIL. A milter may have closed an idle connection: then it is tried once more on a new one."""
        if self._is_open():
            try:
                return self._say(command, fields)
            except MilterGone:
                self._drop()
        said = self._open()  # this sends HELO too
        return said if command == milter.HELO else said or self._say(command, fields)

    def _say(self, command: bytes, fields: Fields) -> Reply | None:
        """Send one command; what the milter decides by its answer, None for nothing. Raises MilterFailed."""
        assert self._link is not None
        if command in self._skipped:
            return None
        self._command = command
        self._begun = self._begun or command == milter.MAIL
        return self._judge(command, *self._link.ask(command, fields, self.values))

    def _judge(self, command: bytes, letter: bytes, fields: Fields) -> Reply | None:
        if letter == milter.SKIP:
            self._skipped.add(command)
        said = own(fields[0].replace(b"%%", b"%")) if letter == milter.REPLY_CODE else PLAIN.get(letter)
        if said is None:
            return None
        if command in (milter.CONNECT, milter.HELO):
            self._session = said
            self.close()
        elif command not in (milter.RCPT, milter.UNKNOWN) or not said.refuses:  # refusing a recipient decides only that
            self._message = said
        return said

    def _show(self, message: Message) -> Reply | None:
        return (
            self._header(message.fields)
            or self._say(milter.END_OF_HEADER, ())
            or self._body(message.body())
            or self._finish()
        )

    def _header(self, fields: list[tuple[bytes, bytes]]) -> Reply | None:
        assert self._link is not None
        keeps_blank = self._link.can(milter.LEADING_SPACE)
        for name, value in fields:
            said = self._say(milter.HEADER, (name, value if keeps_blank else value.removeprefix(b" ")))
            if said is not None:
                return said
        return None

    def _body(self, blocks: Iterator[bytes]) -> Reply | None:
        """Send the body in pieces of milter.CHUNK bytes, with CRLF line ends."""
        assert self._link is not None
        if not self._link.wants(milter.BODY):
            return None
        waiting = bytearray()
        for block in blocks:
            waiting += block.replace(b"\n", b"\r\n")
            while len(waiting) >= milter.CHUNK:
                said = self._say(milter.BODY, (bytes(waiting[: milter.CHUNK]),))
                if said is not None or milter.BODY in self._skipped:
                    return said
                del waiting[: milter.CHUNK]
        return self._say(milter.BODY, (bytes(waiting),)) if waiting else None

    def _finish(self) -> Reply | None:
        assert self._link is not None
        self._command = milter.END_OF_BODY
        self.wanted = WantedEdits(self._link.can(milter.LEADING_SPACE), self._spool)
        said = None
        for letter, fields in self._link.finish(self.values):
            if letter in milter.EDITS:
                self.wanted.add(letter, fields)
            else:
                self._begun = False
                said = self._judge(milter.END_OF_BODY, letter, fields)
        if said is None or said is ACCEPTED:
            said = self._quarantine(self.wanted)
        if said is not None:
            self._want_nothing()
        return said

    def _quarantine(self, wanted: WantedEdits) -> Reply | None:
        """Apply the option quarantine=: `header` adds a field to the message, others refuse it."""
        if wanted.quarantine is None:
            return None
        wanted.mark()
        return {TEMPFAIL: LATER, REJECT: REFUSED}.get(self._settings.word(b"quarantine"))

    def _want_nothing(self) -> None:
        if self.wanted is not None:
            self.wanted.drop()
            self.wanted = None

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        self._begun = False
