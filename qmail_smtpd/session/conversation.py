"""The main loop of a session: events from the wire to the commands, and replies back, until one of them ends it.

    Conversation(begin, wire).run()     serve the client; the exit status (SPEC section 1). `begin` returns new
                                        Commands, with a new Session and Chain
    last_word(wire, reply)              send a reply after which the connection ends; exit status 1

After STARTTLS everything begins anew: what the client said in clear, what checks remember of it and what it changed in
the environment is forgotten (RFC 3207 section 4.2). The new chain is asked about the connection again.
"""

from __future__ import annotations

from time import monotonic

from ..logs import log
from ..smtp import replies
from ..smtp.errors import ClientGone, ReadTimeout, SessionTimeout, TalkedTooSoon, TooSlow
from ..smtp.events import JUNK_COMMANDS, AuthResponse, Connect, Data, EndOfMessage, Mail, Rcpt, StartTls
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

STEPS = (Mail, Rcpt, Data, EndOfMessage, StartTls, AuthResponse)  # events by which a client achieves something


class Conversation:
    """See the module's docstring."""

    def __init__(self, begin: Callable[[], Commands], wire: Wire) -> None:
        self.wire = wire
        self.protocol = Protocol()
        wire.unread = self.protocol.has_input
        self._begin = begin
        self._pace: Pace | None = None  # of the message that is being received
        self._junk: Junk | None = None  # from the first useless command on
        self._take(begin())
        self._env = dict(self.session.env)  # as it was at the start

    def _take(self, commands: Commands) -> None:
        self.commands = commands
        self.session: Session = commands.session
        self.session.ahead = self.protocol.recipients_ahead
        self.protocol.strict = self.session.strict

    def run(self) -> int:
        """Serve the client; the exit status. Logs how the connection ended. Raises ControlError, and errors of ours."""
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
            journal.ended(b"internal error")
            raise
        journal.ended(how)
        if self.wire.encryption and last is replies.TIMEOUT:
            return 1  # SPEC section 1: no reply to a timeout within TLS
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
            self.wire.progress()
            self._encrypt()
            self.wire.progress(waiting=False)  # until it has the greeting, it is the client that waits
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
        """The refusal of the connection by a check, or None. After it only QUIT is accepted."""
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
        if self._junk is not None or reply.refuses or type(event) in JUNK_COMMANDS:
            reply = self._unless_junk(event, reply)
        self._send(self.protocol.reply(event, reply), reply)
        self._pace = None
        if isinstance(event, STEPS) and (isinstance(event, EndOfMessage) or not reply.refuses):
            self.wire.progress(waiting=self.protocol.state != DATA)
        if self.protocol.state == TLS:
            self._encrypt()
            self._start_over()
            self.wire.progress()  # what the checks took of its time, it has not

    def _unless_junk(self, event: Event, reply: Reply) -> Reply:
        """The reply; in its place a 421 once the client has sent too many useless commands (control/junkcommands)."""
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
        """Check control/mindatarate. Raises TooSlow."""
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
        if data:  # empty for a plugin's command D, which closes the connection without a reply
            self.wire.write(data)
        if reply.hangup:
            session.closing = 1
        if session.pause_after:
            self.wire.sleep(session.pause_after)
            session.pause_after = 0.0

    def _encrypt(self) -> None:
        """The TLS handshake. Raises ClientGone if it fails: there is no reply to that (SPEC section 1)."""
        from ..net.tls import authorize, handshake

        self.wire.flush()
        session = self.session
        encryption = handshake(session.config, session.log, self.wire, session.tls_context)
        session.encryption = self.wire.encryption = encryption
        authorize(session.config, session.log, encryption.client)
        self.protocol.encrypted()

    def _start_over(self) -> None:
        """Begin anew after STARTTLS, see the module's docstring. The client expects no reply after the handshake, so a
        refusal of the connection shows in the reply to its next command."""
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
    """Send the last reply of a connection; the exit status, 1. `silent`: the client has sent nothing for long, so no
    more input is expected from it. Raises nothing."""
    try:
        wire.write(reply.encode())
        wire.part(quiet=silent)
    except ClientGone:
        pass
    return 1
