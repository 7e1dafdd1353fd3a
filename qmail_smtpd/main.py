"""qmail-smtpd: one process, one connection, fd 0 in, fd 1 out, fd 2 for the log (SPEC section 1).

Exit status: 0 after QUIT or the disconnect of SMTP550DISCONNECT, 1 after anything else.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import posix
import sys

from . import checkers
from .control.config import read
from .control.files import ControlError, enter_home
from .control.hosts import Hosts
from .inherited import CLOSED, settle
from .logs import log
from .net import standard
from .net.wire import Wire
from .programs import qmailqueue
from .session.chain import Chain
from .session.commands import Commands
from .session.conversation import Conversation, last_word
from .session.facts import Session
from .smtp import replies
from .smtp.client import Client
from .smtp.numbers import leading_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .control.config import Config
    from .logs.log import Log
    from .net.wire import Place
    from .session.delivery import Start

HUNG = 7200  # seconds that a session may last beyond control/sessiontimeout; twice the longest answer of a milter
LONGEST = 1 << 30  # seconds; alarm takes no more


def main(note: str = "") -> None:
    """Run the program. `note`, unless empty, is logged whatever LOGLEVEL says. Never returns: it leaves by
    posix._exit, since Python's own clean-up costs time and frees nothing that the kernel would not free."""
    env = dict(posix.environ)
    syslog = standard.log_is_client()
    if syslog:
        standard.silence_log()
    listeners: list[int] = []
    if b"PROTO" not in env:  # tcpserver has not said who the client is: the socket does
        from .net.peer import listeners as found

        listeners = found(env)
    standard.forget_passed(env)
    sys.stdout = sys.stderr  # what a site's check prints must not reach its client, let alone the next one
    if note:
        _journal(env, syslog).line(note.encode(errors="replace"))
    if listeners:
        from .resident.server import run
        from .resident.signals import ALL
        from .resident.warmup import warm_up

        settle(hold=ALL)  # blocked until the server has its handlers for them

        def session(own: dict[bytes, bytes], place: Place) -> int:
            return serve(own, syslog, place)

        def prepare() -> None:
            warm_up(converse)

        posix._exit(run(listeners, _journal(env, syslog), session, checkers.modules(), prepare))
    settle(others=CLOSED)
    posix._exit(serve(env, syslog))


def _journal(env: dict[bytes, bytes], syslog: bool) -> Log:
    if env.get(b"LOGFORMAT", b"").lower() == b"json":
        from .logs.jsonlog import JsonLog

        return JsonLog(b"qmail-smtpd", leading_number(env.get(b"LOGLEVEL", b""), 0), syslog)
    return log.Log(b"qmail-smtpd", leading_number(env.get(b"LOGLEVEL", b""), 0), syslog)


def serve(env: dict[bytes, bytes], syslog: bool = False, place: Place | None = None) -> int:
    """Serve the client on fd 0 and 1, with `env` as its environment; the exit status. `syslog`: log there and not to
    fd 2. `place` is the session's place among those of a resident server. Raises nothing."""
    wire = Wire(120)
    wire.place = place or wire.place
    status = _outcome(env, wire, syslog)
    wire.farewell()
    return status


def _outcome(env: dict[bytes, bytes], wire: Wire, syslog: bool) -> int:
    """The exit status of a session. Whatever is raised in it becomes a log line and a 421."""
    journal = _journal(env, syslog)
    try:
        if not _admitted(env, journal):
            return 1
        if b"TCPRULES" in env:  # they may have set LOGLEVEL and LOGFORMAT
            journal = _journal(env, syslog)
        return _serve(env, wire, journal)
    except ControlError as error:
        journal.write(log.FATAL, b"unable to read ", error.path, b": ", error.reason)
        return last_word(wire, replies.CONTROLS_UNREADABLE)
    except Exception as error:
        wire.place.broken = True
        journal.line(b"internal error: ", log.described(error))
        return last_word(wire, replies.INTERNAL_ERROR)


def _admitted(env: dict[bytes, bytes], journal: Log) -> bool:
    """Enter the qmail home and fill in the client's variables; whether TCPRULES admits the client. Raises
    ControlError."""
    home = enter_home(env)
    if b"PROTO" not in env:
        from .net.peer import describe_socket

        if not describe_socket(env, journal):
            journal.write(log.ACCOUNT, b"connection from ", env.get(b"TCPREMOTEIP", b"unknown"), b" denied by rules")
            return False
    if env.get(b"QMAILHOME", home) != home:  # the rules have set another home
        enter_home(env)
    return True


def _serve(env: dict[bytes, bytes], wire: Wire, journal: Log) -> int:
    config = read(env)
    wire.timeout = config.timeout
    wire.limit(config.sessiontimeout)
    if config.sessiontimeout:  # what is still there then is ended by SIGALRM, be it an endless loop
        signal.alarm(min(config.sessiontimeout + HUNG, LONGEST))
    return converse(config, wire, journal, qmailqueue.start)


def converse(config: Config, wire: Wire, journal: Log, start: Start) -> int:
    """A session from the greeting on; the exit status. `start` starts a queue program. Raises ControlError, and errors
    of ours."""
    client = Client(config.env)
    hosts = Hosts(config)

    def begin() -> Commands:
        session = Session(config, client, hosts, journal, wire.sleep, wire.flush, wire.peer_is_there, wire.has_left)
        return Commands(session, Chain(checkers.configured(config, journal), config, journal), start)

    conversation = Conversation(begin, wire)
    journal.connected(client)
    if journal.level >= log.REFUSAL:
        names = b" ".join(checker.name.encode(errors="replace") for checker in conversation.commands.chain.checkers)
        relay = b"no relaying" if conversation.session.relayclient() is None else b"may relay"
        journal.write(log.REFUSAL, b"connection options: ", relay, b"; checks: ", names)
    try:
        return conversation.run()
    finally:
        conversation.commands.end()
