"""The children of the resident parent, and what both kinds have in common.

    children.wants_clients()        whether the parent should wait for connections
    children.client_waits(listener) one is there
    children.ended(pid, status)     one of them, or some other process, was reaped
    children.stopped(pid)           one of them, or some other process, has been stopped by a signal
    children.stop()                 nobody accepts any more; the sessions finish
    children.sessions()             pid -> address of those that are being served
    children.adopt(pid, ip)         a session that the process we were has left us

forking.py forks for each session; supervisor.py keeps workers that accept themselves.
"""

from __future__ import annotations

import posix

from ..control.files import reason
from ..logs import log as logs
from ..logs.log import FATAL, REFUSAL, Log, described
from ..programs import process
from ..smtp import replies
from ..smtp.ip import canonical

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
    """`serve(env, place)` is one session on fd 0 and 1; `env` is what every session begins with."""

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
        self.resting = False  # no process or descriptor was to be had: not at once again
        self.numbers: dict[int, int] = {}  # pid -> its entry in `slots`

    def __len__(self) -> int:
        return len(self.numbers)

    def wants_clients(self) -> bool:
        raise NotImplementedError

    def client_waits(self, listener: _socket.socket) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """What a session needs is its own."""

    def go_on(self) -> None:
        """`stop` was for nothing."""

    def sessions(self) -> dict[int, bytes]:
        busy = {pid: number for pid, number in self.numbers.items() if self.slots.is_busy(number)}
        return {pid: self.slots.address(number) for pid, number in busy.items()}

    def adopt(self, pid: int, ip: bytes) -> None:
        number = self.slots.reserve()
        assert number is not None  # they were made for so many
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
        """Somebody has sent it SIGSTOP: it waits for no client, so that another has to."""
        number = self.numbers.get(pid)
        if number is not None and not self.slots.is_busy(number):
            self.log.write(FATAL, b"worker %d was stopped by a signal" % pid)
            self.slots.enter(number, b"")

    def start(self, number: int, work: Callable[[], int]) -> int | None:
        """The pid of a child with the entry `number`; None, logged and the entry free, if there can be none."""
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
        """A client and its address, empty without one; None if nobody is there, or nobody can be let in now."""
        try:
            return accepted(listener)
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:  # no descriptor or no memory left: it would fail again at once
            self.log.line(b"cannot accept: ", reason(error))
            self.resting = True
            return None

    def refuse(self, client: int, ip: bytes) -> None:
        """One more of an address that has as many as it may have."""
        self.turn_away(client, replies.TOO_MANY_CONNECTIONS)
        self.log.write(REFUSAL, b"too many connections from ", ip)

    def turn_away(self, client: int, reply: Reply) -> None:
        if self.env.get(b"SMTPS") == b"1":
            return  # it expects a handshake
        from ..net.farewell import leave_at_once  # preloaded

        try:
            posix.write(client, reply.encode())  # into an empty buffer: it cannot block
        except OSError:
            pass
        leave_at_once(client)


def accepted(listener: _socket.socket) -> tuple[int, bytes]:
    """A client and its address. Raises OSError."""
    client, remote = listener._accept()  # type: ignore[attr-defined]
    has_ip = isinstance(remote, tuple) and isinstance(remote[0], str)
    return client, (canonical(remote[0].encode()) or b"") if has_ip else b""
