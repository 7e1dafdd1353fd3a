"""The signals of the parent, as notes: a handler sets a flag, and a byte in a pipe ends the wait for connections.

signals.terminated      SIGTERM has come
signals.hung_up         SIGHUP has come; whoever obeys takes it back
signals.child_ended     a child has ended, or may have before we looked; whoever reaps takes it back
signals.wake_up         the end of the pipe to poll and read
signals.waker           the end to write to: any child may, to have the parent look around
signals.held()          what comes meanwhile is told afterwards, or to the program that this process becomes
signals.leave()         in a child: as in any other process
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import posix

ALL = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """See the module's text."""

    def __init__(self) -> None:
        self.terminated = self.hung_up = False
        self.child_ended = True  # or may have, while we were being started
        self.wake_up, self.waker = posix.pipe()
        posix.set_blocking(self.waker, False)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: setattr(self, "child_ended", True))
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "terminated", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "hung_up", True))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL)  # blocked by the process that started us afresh

    def held(self) -> SignalsBlocked:
        return SignalsBlocked()

    def leave(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in ALL:
            signal.signal(number, signal.SIG_DFL)


class SignalsBlocked:
    """While it lasts, none of our signals is delivered."""

    def __enter__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, ALL)

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL)
