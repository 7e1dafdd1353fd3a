"""The children of the resident parent: what the two kinds have in common.

    children.wants_clients()        whether the parent should wait for connections
    children.client_waits(listener) the parent tells that a connection can be accepted
    children.ended(pid, status)     the parent tells that it reaped a process, which need not be one of these
    children.stopped(pid)           the parent tells that a process, which need not be one of these, got SIGSTOP
    children.stop()                 no child accepts any more; the sessions that go on finish
    children.go_on()                undo `stop`, since the new start has failed
    children.sessions()             pid -> client's address, for each session that goes on
    children.adopt(pid, ip)         count a session that was begun before SIGHUP, by the same process with the old code

forking.py forks for each session; supervisor.py keeps workers, which accept connections themselves.
"""

from __future__ import annotations

import posix

from ..control.files import reason
from ..logs import log as logs
from ..logs.log import FATAL, REFUSAL, Log, described
from ..programs import process
from ..smtp import replies
from ..smtp.ip import of_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from ..net.wire import Place
    from ..smtp.replies import Reply
    from .signals import Signals
    from .slots import Slots

    Serve = Callable[[dict[bytes, bytes], Place], int]


SIGALRM = 14  # set by main.py
REST = 1000  # milliseconds without accepting when the system has no descriptor or process for us
LOG_TIMEOUT = 1.0  # seconds that a session gives a reader of the log that is behind; the parent gives none


class Children:
    """`listeners`: fd -> socket. `serve(env, place)` serves one session on fd 0 and 1 and returns its exit status;
    `env` is the environment that every session begins with."""

    def __init__(
        self,
        listeners: dict[int, _socket.socket],
        slots: Slots,
        signals: Signals,
        log: Log,
        serve: Serve,
        env: dict[bytes, bytes],
    ) -> None:
        self.listeners = listeners
        self.slots = slots
        self.signals = signals
        self.log = log
        self.serve = serve
        self.env = env
        self.resting = False  # the system has no process or descriptor for us: the parent waits REST before it accepts
        self.numbers: dict[int, int] = {}  # pid -> its entry in `slots`

    def __len__(self) -> int:
        return len(self.numbers)

    def wants_clients(self) -> bool:
        raise NotImplementedError

    def client_waits(self, listener: _socket.socket) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """Nothing to do where each session has its own process."""

    def go_on(self) -> None:
        """Nothing to do where `stop` does nothing."""

    def sessions(self) -> dict[int, bytes]:
        busy = {pid: number for pid, number in self.numbers.items() if self.slots.is_busy(number)}
        return {pid: self.slots.address(number) for pid, number in busy.items()}

    def adopt(self, pid: int, ip: bytes) -> None:
        number = self.slots.reserve()
        assert number is not None  # server.py made enough entries for them
        self.slots.enter(number, ip)
        self.numbers[pid] = number

    def ended(self, pid: int, status: int) -> None:
        number = self.numbers.pop(pid, None)
        if number is None:
            return
        what = b"session" if self.slots.is_busy(number) else b"worker"
        if posix.WIFSIGNALED(status):
            by = posix.WTERMSIG(status)
            why = b": it hung, far beyond control/sessiontimeout" if by == SIGALRM else b""
            self.log.write(FATAL, what, b" %d was ended by signal %d" % (pid, by), why)
        self.slots.free(number)

    def stopped(self, pid: int) -> None:
        """Log that a worker which waits for a client was stopped by a signal, and count it as busy, so that the parent
        starts another one when a client comes."""
        number = self.numbers.get(pid)
        if number is not None and self.slots.is_coming(number):
            self.log.write(FATAL, b"worker %d was stopped by a signal" % pid)
            self.slots.enter(number, b"")

    def start(self, number: int, work: Callable[[], int]) -> int | None:
        """Fork a child, which has the entry `number`, calls `work` and ends with its result as status.

        Returns its pid; None, logged and with the entry free again, if the system has no process for it."""
        try:
            pid = process.branch(lambda: self._as_child(work), self._failed)
        except OSError as error:
            self.log.line(b"cannot fork: ", reason(error))
            self.slots.free(number)
            return None
        self.numbers[pid] = number
        return pid

    def _as_child(self, work: Callable[[], int]) -> int:
        self.log.identify()
        if logs.output:
            logs.output.timeout = LOG_TIMEOUT
        self.signals.leave()
        return work()

    def _failed(self, error: BaseException) -> None:
        self.log.line(b"session failed: ", described(error))

    def accept(self, listener: _socket.socket) -> tuple[int, bytes] | None:
        """The descriptor of a new connection and the client's address (empty if it is not TCP).

        None if there is no connection, or, logged, if the system has no descriptor or memory for it."""
        try:
            return accepted(listener)
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:  # no descriptor or memory: the next call would fail as well
            self.log.line(b"cannot accept: ", reason(error))
            self.resting = True
            return None

    def refuse(self, client: int, ip: bytes) -> None:
        """Send 421 to a client whose address has as many connections as it may have, and log it."""
        self.turn_away(client, replies.TOO_MANY_CONNECTIONS)
        self.log.write(REFUSAL, b"too many connections from ", ip)

    def turn_away(self, client: int, reply: Reply) -> None:
        """Send a reply to a client that no process will serve, and end our output. Never blocks, raises nothing."""
        if self.env.get(b"SMTPS") == b"1":
            return  # it expects a TLS handshake, so it cannot read a reply
        from ..net.farewell import leave_at_once  # preloaded

        try:
            posix.write(client, reply.encode())  # into an empty buffer: it cannot block
        except OSError:
            pass
        leave_at_once(client)


def accepted(listener: _socket.socket) -> tuple[int, bytes]:
    """The descriptor of a new connection and the client's address, empty if it is not TCP. Raises OSError."""
    client, remote = listener._accept()  # type: ignore[attr-defined]
    has_ip = isinstance(remote, tuple) and isinstance(remote[0], str)
    return client, (of_socket(remote[0]) or b"") if has_ip else b""
