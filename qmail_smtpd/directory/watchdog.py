"""A time limit for the calls into libldap that keep none.

libldap honours its time limits while it connects and while it waits for an answer, but not within a TLS handshake or
inside a TLS record: with GnuTLS it stays in one C call as long as the server sends nothing, and no signal handler of
Python can run meanwhile. A second thread can: once the deadline has passed it shuts down the sockets that were opened
since the watch began, and the call in progress fails with an ordinary "can't contact server".
"""

from __future__ import annotations

import _thread
import posix
from stat import S_ISSOCK
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE = 0.5  # seconds between a deadline and its enforcement: libldap's own limit comes first where it works
_HIGHEST = 256  # without /proc the descriptors below this are tried; these programs have about ten, numbered from 0


class Watchdog:
    """Watches the sockets opened after `start` until `stop`; `allow` says how long the next step may take.

    `expired` is True once a deadline had to be enforced."""

    def __init__(self) -> None:
        self._deadline: float | None = None
        self._others: set[int] = set()
        self._stopped: _thread.LockType | None = None
        self.expired = False

    def start(self, seconds: float) -> None:
        """Begin to watch: the first step may take `seconds`."""
        self.stop()
        self.expired = False
        self._others = sockets()
        self._stopped = _thread.allocate_lock()
        self._stopped.acquire()
        self.allow(seconds)
        try:
            _thread.start_new_thread(self._watch, (self._stopped, min(seconds, GRACE)))
        except RuntimeError:  # no thread can be started: libldap's own limits have to do
            self._stopped = None

    def allow(self, seconds: float) -> None:
        """The step that begins now may take `seconds`. Takes no time itself: every search calls it."""
        self._deadline = monotonic() + seconds + GRACE

    def rest(self) -> None:
        """No step is in progress: there is no deadline until the next `allow`."""
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
    """End both directions of a socket that libldap has open, and will close itself."""
    import socket

    try:
        with socket.socket(fileno=posix.dup(fd)) as ours:
            ours.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # closed in the meantime, or not connected yet
