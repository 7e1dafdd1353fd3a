"""control/sessionsperprocess 1: the parent accepts, and each session is a process of its own.

Each child is the single-session process of main.py: the client on fd 0 and 1, the control files read anew. What one
session did is gone with its process.
"""

from __future__ import annotations

import posix

from ..smtp import replies
from .children import Children

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

BURST = 16  # connections taken from one socket before the others, and the signals, have their turn


class Forking(Children):
    """See the module's text."""

    def wants_clients(self) -> bool:
        return len(self) < self.slots.count

    def client_waits(self, listener: _socket.socket) -> None:
        for _ in range(BURST):
            if not self.wants_clients() or self.signals.terminated or self.signals.child_ended:
                return  # who has ended has to be seen first, or counts as still being served
            found = self.accept(listener)
            if found is None:
                return
            client, ip = found
            try:
                self._begin(client, ip)
            finally:
                posix.close(client)

    def _begin(self, client: int, ip: bytes) -> None:
        """A child for one client; whatever goes wrong costs this client only."""
        number = self.slots.reserve()
        assert number is not None  # whoever has no room does not accept
        if not self.slots.admit(number, ip):
            self.slots.free(number)
            self.refuse(client, ip)
            return
        if self.start(number, lambda: self._session(client, number)) is None:
            self.turn_away(client, replies.OUT_OF_ORDER)

    def _session(self, client: int, number: int) -> int:
        posix.dup2(client, 0)
        posix.dup2(client, 1)
        own = (client, self.signals.wake_up, self.signals.waker, self.slots.lock.fd, *self.listeners)
        for fd in own:
            if fd > 2:  # a listener on fd 0 is gone already
                posix.close(fd)
        return self.serve(self.env, self.slots.place(number))
