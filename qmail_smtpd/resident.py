"""The resident mode: fd 0 is a *listening* socket, so import once, then accept and fork.

inetd and xinetd with `wait`, systemd with Accept=no (StandardInput=socket, or LISTEN_FDS) supervise it; no daemon is
invented. Each child is the single-session process of main.py: the client on fd 0 and 1, the TCP* variables set
as tcpserver would, the control files read anew. What one session did is gone with its process.

    control/concurrencyincoming     sessions at a time (default 40); more wait in the listen queue
    control/concurrencyperip        of one address at a time (default: no limit); more are told 421
    SIGTERM     stop accepting, let the sessions finish, exit 0
    SIGHUP      start afresh with new code and configuration, on the same socket; if the new start fails, the old
                code goes on. Both numbers above are read at start and at SIGHUP.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys

from . import preload, replies
from .control import DEFAULT_HOME, ControlError, ControlFiles
from .log import FATAL, Log, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_CONCURRENCY = 40
CHILDREN = "QMAIL_SMTPD_CHILDREN"  # what is handed over SIGHUP: PID=IP PID=IP ...
TRIAL = "QMAIL_SMTPD_TRIAL"  # set for the process that only tries whether the new start would work


def run(fds: list[int], log: Log, serve: Callable[[dict[bytes, bytes]], int]) -> int:
    """Serve until SIGTERM; the exit status. `serve` is one session on fd 0 and 1, with its environment."""
    try:
        home = os.environb.get(b"QMAILHOME") or DEFAULT_HOME
        os.chdir(home)
        server = Server(fds, log, serve)
        preload.everything(dict(os.environb), log)
    except (OSError, ControlError) as error:
        log.write(FATAL, b"cannot start: ", described(error))
        return 1
    if os.environ.get(TRIAL):
        return 0
    gc.collect()
    gc.freeze()  # children share these pages as long as nobody counts their references anew
    server.loop()
    return 0


class Server:
    """The parent process. It talks to nobody but the kernel: whatever may take time happens in a child."""

    def __init__(self, fds: list[int], log: Log, serve: Callable[[dict[bytes, bytes]], int]) -> None:
        control = ControlFiles()
        self._most = max(control.number("concurrencyincoming", DEFAULT_CONCURRENCY), 1)
        self._most_per_ip = control.number("concurrencyperip", 0)
        self._listeners = [socket.socket(fileno=fd) for fd in fds]
        self._log = log
        self._serve = serve
        self._children: dict[int, str] = {}  # pid -> address
        self._stopping = self._restarting = False
        for child in os.environ.get(CHILDREN, "").split():
            pid, _, ip = child.partition("=")
            self._children[int(pid)] = ip

    def loop(self) -> None:
        """Accept and fork until SIGTERM and the end of the last child."""
        self._catch_signals()
        for listener in self._listeners:
            listener.setblocking(False)
        self._log.write(2, b"resident, at most %d sessions at a time" % self._most)
        while not (self._stopping and not self._children):
            self._wait()
            self._reap()
            if self._restarting:
                self._restarting = False
                self._restart()

    def _wait(self) -> None:
        """Until a connection or a signal comes; connections are left alone while there is no room."""
        poll = select.poll()
        poll.register(self._wake_up, select.POLLIN)
        if not self._stopping and len(self._children) < self._most:
            for listener in self._listeners:
                poll.register(listener, select.POLLIN)
        for fd, _ in poll.poll():
            if fd == self._wake_up.fileno():
                self._wake_up.recv(4096)
                return
            for listener in self._listeners:
                if listener.fileno() == fd:
                    self._accept(listener)

    def _accept(self, listener: socket.socket) -> None:
        while len(self._children) < self._most and not (self._stopping or self._restarting):
            try:
                client, remote = listener.accept()
            except OSError:  # nobody there any more, or no descriptor left: the others go on
                return
            self._start(client, remote)
            self._reap()

    def _start(self, client: socket.socket, remote: tuple[str, int]) -> None:
        """A child for one client; whatever goes wrong costs this client only."""
        ip = str(remote[0])
        with client:
            if self._most_per_ip and list(self._children.values()).count(ip) >= self._most_per_ip:
                self._log.write(3, b"too many connections from ", ip.encode())
                _turn_away(client)
                return
            try:
                pid = os.fork()
            except OSError as error:
                self._log.write(FATAL, b"cannot fork: ", described(error))
                _turn_away(client)
                return
            if pid == 0:
                self._child(client)
        self._children[pid] = ip

    def _child(self, client: socket.socket) -> None:
        """Become the single-session process. Never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            client.setblocking(True)
            for fd in (0, 1):
                os.dup2(client.fileno(), fd)
            for other in (client, self._wake_up, self._wake_writer, *self._listeners):
                if other.fileno() > 2:
                    os.close(other.detach())
                else:
                    other.detach()  # a listener on fd 0, which is the client now
            env = dict(os.environb)
            for name in (b"PROTO", b"LISTEN_FDS", b"LISTEN_PID", b"LISTEN_FDNAMES", CHILDREN.encode()):
                env.pop(name, None)
            status = self._serve(env)
        except BaseException as error:  # a child must never go on as a second parent
            if isinstance(error, Exception):
                self._log.write(FATAL, b"session failed: ", described(error))
        finally:
            os._exit(status)

    def _catch_signals(self) -> None:
        self._wake_up, self._wake_writer = socket.socketpair()
        self._wake_up.setblocking(False)
        self._wake_writer.setblocking(False)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "_restarting", True))

    def _stop(self) -> None:
        self._stopping = True
        for listener in self._listeners:
            listener.close()

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._children.clear()
                return
            if pid == 0:
                return
            if self._children.pop(pid, None) is not None and os.WIFSIGNALED(status):
                self._log.write(FATAL, b"session %d was ended by signal %d" % (pid, os.WTERMSIG(status)))

    def _restart(self) -> None:
        """Become the new code, if the new code can start: the socket and the children stay."""
        argv = [sys.executable, *sys.orig_argv[1:]]
        env = {**os.environ, CHILDREN: " ".join(f"{pid}={ip}" for pid, ip in self._children.items())}
        trial = os.posix_spawn(argv[0], argv, {**env, TRIAL: "1"})
        if os.waitpid(trial, 0)[1] != 0:
            self._log.write(FATAL, b"SIGHUP: the new start fails, going on with the old one")
            return
        self._log.write(2, b"SIGHUP: starting afresh")
        for listener in self._listeners:
            os.set_inheritable(listener.fileno(), True)
        os.execve(argv[0], argv, env)


def _turn_away(client: socket.socket) -> None:
    try:
        client.setblocking(False)
        client.send(replies.TOO_MANY_CONNECTIONS.encode())
    except OSError:
        pass
