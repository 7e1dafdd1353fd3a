"""The resident mode, for a *listening* socket on fd 0: the parent imports everything once, then forks the processes
that serve the clients (SPEC section 22).

inetd and xinetd with `wait`, or systemd with Accept=no (StandardInput=socket, or LISTEN_FDS) start and supervise it.
Each session is that of main.py: the client on fd 0 and 1, the TCP* variables as tcpserver sets them, the control files
as they are when it begins.

    control/sessionsperprocess      sessions that a process serves, one after the other (default 100); with 1 each has
                                    a process of its own (forking.py), else workers accept connections (supervisor.py),
                                    which need /proc
    control/concurrencyincoming     sessions at a time (default 40); more clients wait in the listen queue
    control/concurrencyperip        sessions of one address at a time (default: a quarter of these, at least 2; 0: no
                                    limit); more clients get 421. An IPv6 /64 network counts as one address.
    SIGTERM     stop accepting, let the sessions finish, exit 0
    SIGHUP      start again with new code and configuration, on the same socket: a trial process does so first, and
                if it fails the old code goes on. The numbers above are read at start and at SIGHUP.

The parent does no network or helper traffic: whatever may take time happens in a child. It imports `_signal`, not
`signal`, and so on, since every page of its memory makes each fork slower.
"""

from __future__ import annotations

import _socket
import gc
import posix
import select

from ..control.files import ControlError, ControlFiles, enter_home
from ..logs import log as logs
from ..logs.log import ACCOUNT, FATAL, Log, described
from ..logs.output import Output
from ..net.peer import OF_TCP
from ..net.standard import PASSING
from . import preload
from .children import REST
from .forking import Forking
from .restart import Restart, handed_over, is_trial
from .signals import Signals
from .slots import Slots
from .state import is_shown
from .supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .children import Children, Serve

DEFAULT_CONCURRENCY = 40
DEFAULT_SESSIONS = 100  # served by one process
QUARTER, LEAST_PER_IP = 4, 2  # one address may have a quarter of all sessions, but at least two
NOT_FOR_SESSIONS = (*PASSING, *OF_TCP)  # variables that sessions do not inherit: each sets its own


def run(
    fds: list[int],
    log: Log,
    serve: Serve,
    checks: list[tuple[str, tuple[str, ...]]],
    prepare: Callable[[], None] = lambda: None,
) -> int:
    """Serve until SIGTERM. Returns the exit status.

    `fds`: the listening sockets. `serve(env, place)` serves one session on fd 0 and 1. `checks`: see
    preload.everything. `prepare` is called before the first process for a session is forked (warmup.py)."""
    try:
        trial = is_trial()
        place = _working_directory()
        enter_home(posix.environ)
        logs.output = Output(timeout=0)
        restart = Restart(log)
        server = Server(fds, log, serve, restart)
        restart.missing = preload.everything(dict(posix.environ), log, checks)
        _back_to(place)
        if trial is not None:
            return int(restart.missing > trial)
        if server.forks():
            prepare()
        gc.collect()
        gc.freeze()  # the collector would write to these pages, and children share them only while they are unchanged
        server.loop()
        return 0
    except ControlError as error:
        log.line(b"cannot start: unable to read ", error.path, b": ", error.reason)
    except Exception as error:
        log.line(b"resident mode ends: ", described(error))
    return 1


class Server:
    """The parent process: its sockets, its children and what it does at signals."""

    def __init__(self, fds: list[int], log: Log, serve: Serve, restart: Restart) -> None:
        control = ControlFiles()
        most = max(control.number("concurrencyincoming", DEFAULT_CONCURRENCY), 1)
        per_ip = control.number("concurrencyperip", max(most // QUARTER, LEAST_PER_IP))
        self._per_process = max(control.number("sessionsperprocess", DEFAULT_SESSIONS), 1)
        self._most = most
        self._left_to_us = handed_over()
        self._slots = Slots(max(most, len(self._left_to_us)), per_ip)
        self._listeners = {fd: _socket.socket(fileno=fd) for fd in fds}
        self._log = log
        self._serve = serve
        self._restart = restart
        self._env = {name: value for name, value in posix.environ.items() if name not in NOT_FOR_SESSIONS}

    def forks(self) -> bool:
        """Whether each session has a process of its own."""
        return self._per_process == 1 or not is_shown()

    def loop(self) -> None:
        """Serve until SIGTERM has come and the last child has ended."""
        for listener in self._listeners.values():
            listener.setblocking(False)
            _send_at_once(listener)
        self._signals = Signals()
        self._children = self._make_children()
        for pid, ip in self._left_to_us.items():
            self._children.adopt(pid, ip)
        self._log.write(ACCOUNT, b"resident, at most %d sessions at a time" % self._most)
        while True:
            if self._signals.child_ended:
                self._signals.child_ended = False
                self._reap()
            if self._signals.terminated:
                if self._listeners:
                    self._stop_listening()
                if not self._children:
                    return
            elif self._signals.hung_up:
                self._try_new_start()
            self._wait()

    def _make_children(self) -> Children:
        arguments = (self._listeners, self._slots, self._signals, self._log, self._serve, self._env)
        if self._per_process > 1 and not is_shown():
            self._log.write(FATAL, b"no /proc: each session has a process of its own")
        if self.forks():
            return Forking(*arguments)
        return Supervisor(self._per_process, *arguments)

    def _wait(self) -> None:
        """Wait for a connection or a signal; for connections only while a child can be started for them."""
        poll = select.poll()
        poll.register(self._signals.wake_up, select.POLLIN)
        resting, self._children.resting = self._children.resting, False
        if not resting and self._children.wants_clients():
            for fd in self._listeners:
                poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(REST if resting else None):
            if fd == self._signals.wake_up:
                posix.read(fd, 4096)
            else:
                self._children.client_waits(self._listeners[fd])

    def _reap(self) -> None:
        while True:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG | posix.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if posix.WIFSTOPPED(status):
                self._children.stopped(pid)
            elif pid == self._restart.trial:
                self._judge_new_start(status)
            else:
                self._children.ended(pid, status)

    # Signals

    def _stop_listening(self) -> None:
        """Close the sockets: the kernel refuses new clients, or keeps them for the process that is started next."""
        null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        for fd in (0, 1):  # xinetd gives the socket to both
            posix.dup2(null, fd)
        posix.close(null)
        self._children.stop()
        self._restart.give_up()

    def _try_new_start(self) -> None:
        """Start a trial, which finds out whether the new code and configuration can start."""
        if self._restart.trial:  # it may have read the files before they changed: after its end another one is started
            self._restart.interrupt()
            return
        self._signals.hung_up = False
        self._restart.attempt(self._listeners)

    def _judge_new_start(self, status: int) -> None:
        works = self._restart.works(status)
        with self._signals.held():  # the new code gets the signals that come from now on
            if self._signals.hung_up or self._signals.terminated:
                return
            if not works:
                self._restart.fails()
                return
            self._children.stop()
            self._restart.afresh(self._listeners, self._children.sessions())
            self._children.go_on()


def _send_at_once(listener: _socket.socket) -> None:
    """Set TCP_NODELAY, which accepted sockets inherit: a reply need not wait until the one before is acknowledged."""
    try:
        listener.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    except OSError:
        pass  # not TCP


def _working_directory() -> str:
    try:
        return posix.getcwd()
    except OSError:  # it has been removed
        return "/"


def _back_to(folder: str) -> None:
    """Return to the folder where sessions, and the new code after SIGHUP, begin: QMAILHOME and the program's path may
    be relative to it."""
    try:
        posix.chdir(folder)
    except OSError:
        pass  # a folder that we may not enter: then no path can be relative to it
