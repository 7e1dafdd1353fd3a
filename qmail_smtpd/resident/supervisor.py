"""control/sessionsperprocess: workers that take connections from the listening sockets themselves (SPEC section 22).

The parent starts one when a client waits and no worker is idle, and looks for clients only then: a worker that was
the last idle one says so in the parent's pipe. Idle workers are asked in a fixed order, so that as many are used as
are needed, and one without work for a minute ends (worker.py). One that ends before it was ready to work is not
followed by another at once.
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
    """See the module's text. `most` sessions are one worker's."""

    def __init__(self, most: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._most = most
        self._workers: set[int] = set()
        self._life, self._alive = posix.pipe()  # workers end when nobody has the second end any more

    def wants_clients(self) -> bool:
        return self.slots.idle() == 0 and len(self) < self.slots.count

    def client_waits(self, listener: _socket.socket) -> None:
        if not self.wants_clients():
            return  # a worker has become idle meanwhile
        number = self.slots.reserve()
        assert number is not None  # there is room
        signal.pthread_sigmask(signal.SIG_BLOCK, [STOP])  # until the worker knows what it means
        pid = self.start(number, lambda: self._work(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [STOP])
        if pid is None:
            self._excuse(listener)
        else:
            self._workers.add(pid)

    def ended(self, pid: int, status: int) -> None:
        number = self.numbers.get(pid)
        if number is not None and not self.slots.has_started(number):
            self.resting = True  # whatever its trouble is, the next one may have it too
        self._workers.discard(pid)
        super().ended(pid, status)

    def stop(self) -> None:
        self.slots.close()
        posix.close(self._alive)
        for pid in self._workers:  # what was left to us has been told, or is no worker
            posix.kill(pid, STOP)

    def go_on(self) -> None:
        """With new workers: the old ones have been told to end."""
        posix.close(self._life)
        self._life, self._alive = posix.pipe()
        self.slots.open()

    def _excuse(self, listener: _socket.socket) -> None:
        """No process can be had, so nobody would serve this client."""
        found = self.accept(listener)
        if found is not None:
            self.turn_away(found[0], replies.OUT_OF_ORDER)
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
