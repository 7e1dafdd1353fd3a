"""A bound on what libldap itself does not bound.

libldap honours its time limits while it connects and while it waits for an answer, but not within a TLS
handshake nor inside a TLS record: built with GnuTLS it stays in one C call for as long as the server cares to
say nothing, and no signal handler of ours can run there. A second thread can: once the deadline has passed it
shuts down the sockets that were opened since the watch began, and the call in progress fails with an ordinary
"can't contact server".
"""

from __future__ import annotations

import _thread
import posix
from stat import S_ISSOCK
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE = 0.5  # seconds after which a missed deadline is enforced: libldap's own limit comes first where it works
_HIGHEST = 256  # descriptors are numbered from below, and these programs hold about ten: where there is no /proc


class Watchdog:
    """Watches the sockets opened after `start` until `stop`; `allow` sets how long the next step may take."""

    def __init__(self) -> None:
        self._deadline: float | None = None
        self._others: set[int] = set()
        self._stopped: _thread.LockType | None = None
        self.expired = False

    def start(self, seconds: float) -> None:
        """Begin, `seconds` being what each step is allowed."""
        self.stop()
        self.expired = False
        self._others = sockets()
        self._stopped = _thread.allocate_lock()
        self._stopped.acquire()
        self.allow(seconds)
        try:
            _thread.start_new_thread(self._watch, (self._stopped, min(seconds, GRACE)))
        except RuntimeError:  # no thread to be had: libldap's own limits have to do
            self._stopped = None

    def allow(self, seconds: float) -> None:
        """The step that begins now may take so long. Cheap: one is a search."""
        self._deadline = monotonic() + seconds + GRACE

    def rest(self) -> None:
        """Nothing is in progress."""
        self._deadline = None

    def stop(self) -> None:
        if self._stopped is not None:
            self._stopped.release()
            self._stopped = None

    def _watch(self, stopped: _thread.LockType, pause: float) -> None:
        while not stopped.acquire(timeout=pause):
            deadline = self._deadline
            if deadline is not None and monotonic() > deadline:
                self.expired = True
                for fd in sockets() - self._others:
                    shut_down(fd)


def sockets() -> set[int]:
    """The open descriptors that are sockets."""
    try:
        candidates: Iterable[int] = [int(name) for name in posix.listdir("/proc/self/fd")]
    except OSError:
        candidates = range(_HIGHEST)
    found = set()
    for fd in candidates:
        try:
            if S_ISSOCK(posix.fstat(fd).st_mode):
                found.add(fd)
        except OSError:
            pass
    return found


def shut_down(fd: int) -> None:
    """End both directions of a socket that belongs to somebody else, who will close it."""
    import socket

    try:
        with socket.socket(fileno=posix.dup(fd)) as ours:
            ours.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # closed in the meantime, or not connected yet
