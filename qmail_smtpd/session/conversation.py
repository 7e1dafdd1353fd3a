"""One session's conversation: events from the wire to the commands, replies back, until one of them ends it.

Conversation(begin, wire).run()     the exit status (SPEC section 1); `begin` makes Commands, session and chain anew
last_word(wire, reply)              a reply after which nothing more is read; exit status 1

STARTTLS begins again: what was said in clear, what checks made of it, and what it did to the environment are as if they
had never been (RFC 3207 section 4.2). The connection itself is judged once more, by the new chain.
"""

from __future__ import annotations

from time import monotonic

from ..logs import log
from ..smtp import replies
from ..smtp.errors import ClientGone, ReadTimeout, SessionTimeout, TalkedTooSoon, TooSlow
from ..smtp.events import IDLE_COMMANDS, AuthResponse, Connect, Data, EndOfMessage, Mail, Rcpt, StartTls
from ..smtp.protocol import Protocol
from ..smtp.state import CLOSED, DATA, RESTRICTED, TLS
from .greeting import greet, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..net.wire import Wire
    from ..smtp.events import Event
    from ..smtp.rate import Pace
    from ..smtp.replies import Reply
    from .commands import Commands
    from .facts import Session
    from .junk import Junk

STEPS = (Mail, Rcpt, Data, EndOfMessage, StartTls, AuthResponse)  # what gets a client somewhere, if it is not refused


class Conversation:
    """Carries events from the wire to the commands and replies back, until one of them ends it."""

    def __init__(self, begin: Callable[[], Commands], wire: Wire) -> None:
        self.wire = wire
        self.protocol = Protocol()
        self._begin = begin
        self._pace: Pace | None = None  # of the message that is being received
        self._junk: Junk | None = None  # from the first command that leads nowhere
        self._take(begin())
        self._env = dict(self.session.env)  # as it was at the start

    def _take(self, commands: Commands) -> None:
        self.commands = commands
        self.session: Session = commands.session
        self.session.ahead = self.protocol.recipients_ahead
        self.protocol.strict = self.session.strict

    def run(self) -> int:
        """The exit status."""
        journal = self.session.log
        try:
            status = self._talk()
            journal.ended(b"client quit" if self._has_quit() else b"by policy")
            return status
        except TalkedTooSoon:
            how, last = b"client spoke before the greeting", replies.TALKED_TOO_SOON
        except ReadTimeout:
            how, last = b"timeout", replies.TIMEOUT
        except TooSlow:
            how, last = b"message too slow", replies.TOO_SLOW
        except SessionTimeout:
            how, last = b"session lasted too long", replies.SESSION_TOO_LONG
        except ClientGone:
            journal.ended(b"client went away")
            return 1
        except Exception:
            journal.ended(b"out of order")
            raise
        journal.ended(how)
        if self.wire.encryption and last is replies.TIMEOUT:
            return 1  # SPEC section 1: no word inside TLS
        return last_word(self.wire, self.session.worded(last), silent=last is replies.TIMEOUT)

    def _talk(self) -> int:
        self._greet()
        self.wire.progress()
        while self.session.closing is None:
            self._step()
        self.wire.part(quiet=self._has_quit())
        return self.session.closing

    def _has_quit(self) -> bool:
        return self.protocol.state == CLOSED and self.session.closing == 0

    def _greet(self) -> None:
        config = self.session.config
        if config.env.get(b"SMTPS") == b"1":
            self._encrypt()
        farewell = refusal(config)
        if farewell is not None:
            self.protocol.restrict()
            self.wire.write(farewell.encode())
            if config.switch("SMTP550DISCONNECT"):
                self.session.closing = 0
            return
        refused = self._refused_connection()
        if refused is None:
            greet(config, self.wire)
        else:
            self._send(refused.encode(), refused)

    def _refused_connection(self) -> Reply | None:
        """What a check has against the connection itself; then nothing works but QUIT."""
        verdict = self.commands.chain.run("connect", self.session, None)
        if verdict.refusal is None:
            return None
        self.protocol.restrict()
        return self.session.refuse(Connect(), verdict.refusal, verdict)

    def _step(self) -> None:
        event = self.protocol.next_event()
        if event is None:
            self._receive()
            return
        if self.session.log.level >= log.COMMAND and event.verb:
            self.session.log.write(log.COMMAND, b"command: ", event.verb)
        reply = self._answer(event)
        if reply is None:
            return
        if self._junk is not None or reply.refuses or type(event) in IDLE_COMMANDS:
            reply = self._unless_junk(event, reply)
        self._send(self.protocol.reply(event, reply), reply)
        self._pace = None
        if isinstance(event, STEPS) and (isinstance(event, EndOfMessage) or not reply.refuses):
            self.wire.progress(waiting=self.protocol.state != DATA)
        if self.protocol.state == TLS:
            self._encrypt()
            self._start_over()

    def _unless_junk(self, event: Event, reply: Reply) -> Reply:
        """The reply, or the end of a client that gets nowhere."""
        from .junk import Junk

        if self._junk is None:
            self._junk = Junk(self.session.config.control)
        if reply.hangup or not self._junk.enough(event, reply):
            return reply
        return self.session.refuse(event, replies.ENOUGH_JUNK)

    def _receive(self) -> None:
        data = self.wire.read()
        if self.protocol.state == DATA and self.session.config.mindatarate:
            self._watch_pace(len(data))
        self.protocol.receive(data)

    def _watch_pace(self, received: int) -> None:
        """control/mindatarate: raises TooSlow."""
        from ..smtp.rate import Pace

        if self._pace is None:
            self._pace = Pace(self.session.config.mindatarate, monotonic())
        if self._pace.too_slow(received, monotonic()):
            raise TooSlow

    def _answer(self, event: Event) -> Reply | None:
        if self.protocol.state == RESTRICTED:
            return self.commands.restricted(event)
        early = self.protocol.out_of_sequence(event)
        if early is not None:
            return self.commands.misplaced(event, early)
        return self.commands.handle(event)

    def _send(self, data: bytes, reply: Reply) -> None:
        session = self.session
        if data:  # a plugin can end a session without a word
            self.wire.write(data)
        if reply.hangup:
            session.closing = 1
        if session.pause_after:
            self.wire.sleep(session.pause_after)
            session.pause_after = 0.0

    def _encrypt(self) -> None:
        """The handshake; nobody answers one that fails (SPEC section 1)."""
        from ..net.tls import authorize, handshake

        self.wire.flush()
        session = self.session
        encryption = handshake(session.config, session.log, self.wire, session.tls_context)
        session.encryption = self.wire.encryption = encryption
        authorize(session.config, session.log, encryption.client)
        self.protocol.encrypted()

    def _start_over(self) -> None:
        """See the module's text. The client waits for no reply: what is against it shows at its next command."""
        before = self.session
        self.commands.end()
        before.env.clear()
        before.env.update(self._env)
        self._take(self._begin())
        self.session.encryption = before.encryption
        refused = self._refused_connection()
        if refused is not None and refused.hangup:
            self.session.closing = 1


def last_word(wire: Wire, reply: Reply, silent: bool = False) -> int:
    """`silent`: the client has said nothing for so long that nobody waits for more."""
    try:
        wire.write(reply.encode())
        wire.part(quiet=silent)
    except ClientGone:
        pass
    return 1
