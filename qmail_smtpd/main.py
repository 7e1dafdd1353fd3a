"""qmail-smtpd: one process, one connection, fd 0 in, fd 1 out, fd 2 for the log (SPEC section 1).

Exit status: 0 after QUIT or the disconnect of SMTP550DISCONNECT, 1 after anything else.
"""

from __future__ import annotations

import posix
from time import monotonic

from . import connection, log, replies
from .chain import Chain
from .commands import Commands
from .config import read
from .connection import Client
from .control import ControlError, enter_home
from .endings import ClientGone, ReadTimeout, SessionTimeout, TalkedTooSoon, TooSlow
from .events import Connect
from .greeting import greet, refusal
from .hosts import Hosts
from .numerals import leading_number
from .protocol import Protocol
from .session import Session
from .state import CLOSED, DATA, RESTRICTED, TLS
from .wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from .events import Event
    from .log import Log
    from .pace import Pace
    from .replies import Reply
else:
    import _signal  # what `signal` wraps, at a tenth of the cost


def main() -> None:
    """The program. Never returns: what Python would tidy up at its end is the kernel's anyway."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # no traceback for whoever ends it from a terminal
    env = dict(posix.environ)
    syslog = connection.log_is_client()
    if syslog:
        connection.silence_log()
    listeners = [] if b"PROTO" in env else connection.listeners(env)
    connection.keep_passed(env)
    if listeners:
        from .resident import run

        posix._exit(run(listeners, _journal(env, syslog), lambda own: serve(own, syslog), syslog))
    posix._exit(serve(env, syslog))


def _journal(env: dict[bytes, bytes], syslog: bool) -> Log:
    if env.get(b"LOGFORMAT", b"").lower() == b"json":
        from .jsonlog import JsonLog

        return JsonLog(b"qmail-smtpd", leading_number(env.get(b"LOGLEVEL", b""), 0), syslog)
    return log.Log(b"qmail-smtpd", leading_number(env.get(b"LOGLEVEL", b""), 0), syslog)


def serve(env: dict[bytes, bytes], syslog: bool = False) -> int:
    """One session with the client on fd 0 and 1; the exit status."""
    journal = _journal(env, syslog)
    wire = Wire(120)
    try:
        if not _admitted(env, journal):
            return 1
        if b"TCPRULES" in env:  # they may have set LOGLEVEL and LOGFORMAT
            journal = _journal(env, syslog)
        return _serve(env, wire, journal)
    except ControlError as error:
        journal.write(log.FATAL, b"unable to read ", error.path, b": ", error.reason)
        return _last_word(wire, replies.CONTROLS_UNREADABLE)
    except Exception as error:
        journal.line(b"internal trouble: ", log.described(error))
        return _last_word(wire, replies.OUT_OF_ORDER)


def _admitted(env: dict[bytes, bytes], journal: Log) -> bool:
    """Go to the qmail home, find out who the client is, and whether the rules let it in. Raises ControlError."""
    home = enter_home(env)
    if not connection.describe_socket(env):
        journal.write(log.ACCOUNT, b"connection from ", env.get(b"TCPREMOTEIP", b"unknown"), b" denied by rules")
        return False
    if env.get(b"QMAILHOME", home) != home:  # so say the rules
        enter_home(env)
    return True


def _serve(env: dict[bytes, bytes], wire: Wire, journal: Log) -> int:
    config = read(env)
    wire.timeout = config.timeout
    wire.limit(config.sessiontimeout)
    client = Client(env)
    hosts = Hosts(config)
    session = Session(config, client, hosts, journal, wire.sleep, wire.peer_is_there)
    commands = Commands(session, Chain(config, journal))
    journal.connected(client)
    if journal.level >= log.REFUSAL:
        names = b" ".join(checker.name.encode(errors="replace") for checker in commands.chain.checkers)
        relay = b"no relaying" if session.relayclient() is None else b"may relay"
        journal.write(log.REFUSAL, b"connection options: ", relay, b"; checks: ", names)
    try:
        return Conversation(commands, wire).run()
    finally:
        commands.end()


class Conversation:
    """Carries events from the wire to the commands and replies back, until one of them ends it."""

    def __init__(self, commands: Commands, wire: Wire) -> None:
        self.commands = commands
        self.session = commands.session
        self.wire = wire
        self.protocol = Protocol()
        self.session.ahead = self.protocol.recipients_ahead
        self._pace: Pace | None = None  # of the message that is being received

    def run(self) -> int:
        """The exit status."""
        journal = self.session.log
        try:
            status = self._talk()
            journal.ended(b"client quit" if self.protocol.state == CLOSED and status == 0 else b"by policy")
            return status
        except TalkedTooSoon:
            how, last = b"client spoke before the greeting", replies.TALKED_TOO_SOON
        except ReadTimeout:
            how, last = b"timeout", replies.TIMEOUT
        except TooSlow:
            how, last = b"message too slow", replies.TOO_SLOW
        except SessionTimeout:
            how, last = b"session lasted too long", replies.TOO_LONG_A_SESSION
        except ClientGone:
            journal.ended(b"client went away")
            return 1
        except Exception:
            journal.ended(b"out of order")
            raise
        journal.ended(how)
        if self.wire.encryption and last is replies.TIMEOUT:
            return 1  # SPEC section 1: no word inside TLS
        return _last_word(self.wire, last)

    def _talk(self) -> int:
        self._greet()
        while self.session.closing is None:
            self._step()
        self.wire.flush()
        if self.wire.encryption:
            self.wire.encryption.close()
        return self.session.closing

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
        reply = self.commands.chain.run("connect", self.session, None)
        if reply is not None and reply.refuses:
            self._send(self.session.refuse(Connect(), reply).encode(), reply)
            self.protocol.restrict()
            return
        greet(config, self.wire)

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
        self._send(self.protocol.reply(event, reply), reply)
        self._pace = None
        if self.protocol.state == TLS:
            self._encrypt()

    def _receive(self) -> None:
        data = self.wire.read()
        if self.protocol.state == DATA and self.session.config.mindatarate:
            self._watch_pace(len(data))
        self.protocol.receive(data)

    def _watch_pace(self, received: int) -> None:
        """control/mindatarate: raises TooSlow."""
        from .pace import Pace

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
        from .tls import authorize, handshake

        self.wire.flush()
        encryption = handshake(self.session, self.wire)
        self.session.forget()
        self.session.encryption = self.wire.encryption = encryption
        authorize(self.session, encryption.client)
        self.protocol.encrypted()


def _last_word(wire: Wire, reply: Reply) -> int:
    try:
        wire.write(reply.encode())
        wire.flush()
    except ClientGone:
        pass
    return 1
