"""control/sessionsperprocess: workers, which accept from the listening sockets themselves (SPEC section 22).

The parent starts a worker when a client waits and no worker is idle, and it polls the sockets only then: the last idle
worker that gets a client wakes it (Signals.waker). The kernel gives a connection to the idle worker that came first,
so that no more workers are used than needed, and one without work for a minute ends (worker.py). After a worker that
ended before it was ready, the parent waits a second before it starts another.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import posix

from ..control.files import reason
from ..smtp import replies
from .children import Children
from .worker import STOP, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any


class Supervisor(Children):
    """See the module's docstring. `most`: sessions that one worker serves; `arguments`: those of Children."""

    def __init__(self, most: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._most = most
        self._workers: set[int] = set()
        self._life, self._alive = posix.pipe()  # only the parent has `_alive`: workers see the end of `_life` with it

    def wants_clients(self) -> bool:
        return self.slots.idle() == 0 and len(self) < self.slots.count

    def client_waits(self, listener: _socket.socket) -> None:
        if not self.wants_clients():
            return  # a worker has become idle meanwhile
        number = self.slots.reserve()
        assert number is not None  # wants_clients() has just said so
        signal.pthread_sigmask(signal.SIG_BLOCK, [STOP])  # until the worker has set its handler
        pid = self.start(number, lambda: self._work(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [STOP])
        if pid is None:
            self._excuse(listener)
        else:
            self._workers.add(pid)

    def ended(self, pid: int, status: int) -> None:
        number = self.numbers.get(pid)
        if number is not None and not self.slots.has_started(number):
            self.resting = True  # the next one would probably fail for the same reason
        self._workers.discard(pid)
        super().ended(pid, status)

    def stop(self) -> None:
        self.slots.close()
        posix.close(self._alive)
        for pid in self._workers:  # sessions adopted from the old code are not among them: it has told their workers
            posix.kill(pid, STOP)

    def go_on(self) -> None:
        """Go on with new workers: the old ones were told to end."""
        posix.close(self._life)
        self._life, self._alive = posix.pipe()
        self.slots.open()

    def _excuse(self, listener: _socket.socket) -> None:
        """Send 421 to the client that waits: the system has no process for a worker that would serve it."""
        found = self.accept(listener)
        if found is not None:
            self.turn_away(found[0], replies.INTERNAL_ERROR)
            posix.close(found[0])

    def _work(self, number: int) -> int:
        try:
            worker = Worker(number, self, self._life)
        except OSError as error:
            self.log.line(b"cannot accept: ", reason(error))
            return 1
        for fd in (self.signals.wake_up, self._alive):
            posix.close(fd)
        return worker.run(self._most)
