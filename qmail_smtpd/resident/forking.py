"""control/sessionsperprocess 1: the parent accepts connections, and each session has a process of its own.

Each child serves like the single-session process of main.py: the client on fd 0 and 1, the control files read anew.
Whatever a session changed ends with its process.
"""

from __future__ import annotations

import posix

from ..smtp import replies
from .children import Children

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

BURST = 16  # connections accepted from one socket before the other sockets, and signals, have their turn


class Forking(Children):
    """See the module's docstring."""

    def wants_clients(self) -> bool:
        return len(self) < self.slots.count

    def client_waits(self, listener: _socket.socket) -> None:
        for _ in range(BURST):
            if not self.wants_clients() or self.signals.terminated or self.signals.child_ended:
                return  # a child that has ended must be reaped first, or it counts as a session that goes on
            found = self.accept(listener)
            if found is None:
                return
            client, ip = found
            try:
                self._begin(client, ip)
            finally:
                posix.close(client)

    def _begin(self, client: int, ip: bytes) -> None:
        """Fork a child for a client, or refuse it."""
        number = self.slots.reserve()
        assert number is not None  # wants_clients() has just said so
        if not self.slots.admit(number, ip):
            self.slots.free(number)
            self.refuse(client, ip)
            return
        if self.start(number, lambda: self._session(client, number)) is None:
            self.turn_away(client, replies.INTERNAL_ERROR)

    def _session(self, client: int, number: int) -> int:
        posix.dup2(client, 0)
        posix.dup2(client, 1)
        own = (client, self.signals.wake_up, self.signals.waker, self.slots.lock.fd, *self.listeners)
        for fd in own:
            if fd > 2:  # a listener on fd 0 was replaced above
                posix.close(fd)
        return self.serve(self.env, self.slots.place(number))
