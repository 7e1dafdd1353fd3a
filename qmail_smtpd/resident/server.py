"""The resident mode: fd 0 is a *listening* socket, so import once, then accept and fork.

inetd and xinetd with `wait`, systemd with Accept=no (StandardInput=socket, or LISTEN_FDS) supervise it; no daemon is
invented. Each child is the single-session process of main.py: the client on fd 0 and 1, the TCP* variables set as
tcpserver would, the control files read anew. What one session did is gone with its process.

    control/concurrencyincoming     sessions at a time (default 40); more wait in the listen queue
    control/concurrencyperip        of one address at a time (default: no limit); more are told 421
    SIGTERM     stop accepting, let the sessions finish, exit 0
    SIGHUP      start afresh with new code and configuration, on the same socket: a process of its own tries the new
                start, and if it fails the old code goes on. Both numbers above are read at start and at SIGHUP.

The parent talks to nobody but the kernel: whatever may take time happens in a child. It imports `_signal`, not
`signal`, and so on: every page of it costs each fork.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import _socket
import gc
import posix
import select

from ..control.files import ControlError, ControlFiles, enter_home, reason
from ..logs.log import ACCOUNT, FATAL, REFUSAL, Log, described
from ..net.peer import OF_TCP, PASSING
from ..smtp import replies
from ..smtp.ip import canonical
from . import preload
from .restart import Restart, handed_over, is_trial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..smtp.replies import Reply

DEFAULT_CONCURRENCY = 40
BURST = 16  # connections taken from one socket before the others, and the signals, have their turn
REST = 1000  # milliseconds without accepting when the system has no descriptor for us
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
NOT_FOR_SESSIONS = (*PASSING, *OF_TCP)  # what a session has of these is its own


def run(
    fds: list[int],
    log: Log,
    serve: Callable[[dict[bytes, bytes]], int],
    checks: list[tuple[str, tuple[str, ...]]],
    syslog: bool = False,
) -> int:
    """Serve until SIGTERM; the exit status. `serve` is one session on fd 0 and 1. `syslog`: fd 2 was the socket."""
    try:
        trial = is_trial()
        place = _working_directory()
        enter_home(posix.environ)
        restart = Restart(log, syslog)
        server = Server(fds, log, serve, restart)
        restart.missing = preload.everything(dict(posix.environ), log, checks, syslog)
        _back_to(place)
        if trial is not None:
            return int(restart.missing > trial)
        gc.collect()
        gc.freeze()  # children share these pages as long as nobody counts their references anew
        server.loop()
        return 0
    except ControlError as error:
        log.line(b"cannot start: unable to read ", error.path, b": ", error.reason)
    except Exception as error:
        log.line(b"resident mode ends: ", described(error))
    return 1


class Server:
    """The parent process."""

    def __init__(self, fds: list[int], log: Log, serve: Callable[[dict[bytes, bytes]], int], restart: Restart) -> None:
        control = ControlFiles()
        self._most = max(control.number("concurrencyincoming", DEFAULT_CONCURRENCY), 1)
        self._most_per_ip = control.number("concurrencyperip", 0)
        self._listeners = {fd: _socket.socket(fileno=fd) for fd in fds}
        self._log = log
        self._serve = serve
        self._restart = restart
        self._children: dict[int, bytes] = {}  # pid -> address
        self._per_ip: dict[bytes, int] = {}
        for pid, ip in handed_over().items():
            self._count(pid, ip)
        self._env = {name: value for name, value in posix.environ.items() if name not in NOT_FOR_SESSIONS}
        self._terminated = self._hung_up = self._resting = False
        self._child_ended = True  # or may have, while we were being started

    def loop(self) -> None:
        """Accept and fork until SIGTERM and the end of the last child."""
        for listener in self._listeners.values():
            listener.setblocking(False)
            _send_at_once(listener)
        self._catch_signals()
        self._log.write(ACCOUNT, b"resident, at most %d sessions at a time" % self._most)
        while True:
            if self._child_ended:
                self._child_ended = False
                self._reap()
            if self._terminated:
                if self._listeners:
                    self._stop_listening()
                if not self._children:
                    return
            elif self._hung_up:
                self._try_new_start()
            self._wait()

    def _wait(self) -> None:
        """Until a connection or a signal comes; connections are left alone while there is no room for them."""
        poll = select.poll()
        poll.register(self._wake_up, select.POLLIN)
        resting, self._resting = self._resting, False
        if not resting and len(self._children) < self._most:
            for fd in self._listeners:
                poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(REST if resting else None):
            if fd == self._wake_up:
                posix.read(fd, 4096)
            else:
                self._accept(self._listeners[fd])

    def _accept(self, listener: _socket.socket) -> None:
        for _ in range(BURST):
            if len(self._children) >= self._most or self._terminated:
                return
            try:
                client, remote = listener._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no descriptor or no memory left: it would fail again at once
                self._log.line(b"cannot accept: ", reason(error))
                self._resting = True
                return
            has_ip = isinstance(remote, tuple) and isinstance(remote[0], str)
            self._start(client, (canonical(remote[0].encode()) or b"") if has_ip else b"")

    def _start(self, client: int, ip: bytes) -> None:
        """A child for one client; whatever goes wrong costs this client only."""
        try:
            if ip and self._most_per_ip and self._per_ip.get(ip, 0) >= self._most_per_ip:
                self._log.write(REFUSAL, b"too many connections from ", ip)
                self._turn_away(client, replies.TOO_MANY_CONNECTIONS)
                return
            try:
                pid = posix.fork()
            except OSError as error:
                self._log.line(b"cannot fork: ", reason(error))
                self._turn_away(client, replies.OUT_OF_ORDER)
                return
            if pid == 0:
                self._child(client)
            self._count(pid, ip)
        finally:
            posix.close(client)

    def _child(self, client: int) -> None:
        """Become the single-session process. Never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            posix.dup2(client, 0)
            posix.dup2(client, 1)
            for fd in (client, self._wake_up, self._waker, *self._listeners):
                if fd > 2:  # a listener on fd 0 is gone already
                    posix.close(fd)
            status = self._serve(self._env)
        except Exception as error:
            self._log.line(b"session failed: ", described(error))
        finally:
            posix._exit(status)  # whatever happens, it must not go on as a second parent

    def _turn_away(self, client: int, reply: Reply) -> None:
        if self._env.get(b"SMTPS") == b"1":
            return  # it expects a handshake
        try:
            posix.write(client, reply.encode())  # into an empty buffer: it cannot block
        except OSError:
            pass

    def _count(self, pid: int, ip: bytes) -> None:
        self._children[pid] = ip
        self._per_ip[ip] = self._per_ip.get(ip, 0) + 1

    def _reap(self) -> None:
        while True:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._restart.trial:
                self._judge_new_start(status)
            elif pid in self._children:
                ip = self._children.pop(pid)
                self._per_ip[ip] -= 1
                if self._per_ip[ip] == 0:
                    del self._per_ip[ip]
                if posix.WIFSIGNALED(status):
                    self._log.write(FATAL, b"session %d was ended by signal %d" % (pid, posix.WTERMSIG(status)))

    # Signals

    def _catch_signals(self) -> None:
        """The handlers only take a note; a byte in the pipe ends the wait for connections."""
        self._wake_up, self._waker = posix.pipe()
        posix.set_blocking(self._waker, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: setattr(self, "_child_ended", True))
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_terminated", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "_hung_up", True))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # blocked by the process that started us afresh

    def _stop_listening(self) -> None:
        """Who comes from now on is refused by the kernel, or waits for our successor."""
        null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        for listener in self._listeners.values():
            listener.close()
        self._listeners = {}
        for fd in (0, 1):  # xinetd gives the socket to both
            posix.dup2(null, fd)
        posix.close(null)
        self._restart.give_up()

    def _try_new_start(self) -> None:
        """Let a process of its own find out whether the new code and configuration can start."""
        if self._restart.trial:  # it may have read what has changed since; its end brings us here again
            self._restart.interrupt()
            return
        self._hung_up = False
        self._restart.attempt(self._listeners)

    def _judge_new_start(self, status: int) -> None:
        works = self._restart.works(status)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # what comes from now on is for the new code
        if not self._hung_up and not self._terminated:
            if works:
                self._restart.afresh(self._listeners, self._children)
            else:
                self._restart.fails()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _send_at_once(listener: _socket.socket) -> None:
    """Accepted sockets inherit this: a second reply does not wait for the client to acknowledge the first."""
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
    """Where sessions, and the program that SIGHUP starts, begin: QMAILHOME or the program's path may be relative."""
    try:
        posix.chdir(folder)
    except OSError:
        pass  # a folder that we may not enter: then nobody was told to start there
