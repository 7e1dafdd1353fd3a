"""The signals of the resident parent: a handler only sets a flag, and a byte in a pipe ends the wait for connections.

signals.terminated      SIGTERM has come
signals.hung_up         SIGHUP has come; whoever acts on it sets it to False
signals.child_ended     a child may have ended; whoever reaps sets it to False
signals.wake_up         the descriptor to poll and read
signals.waker           the descriptor to write to: a child writes a byte to wake the parent
signals.held()          a context in which signals wait; if the process executes another program, that gets them
signals.leave()         in a child: restore the defaults
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import posix

ALL = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """See the module's docstring. Making one sets the handlers."""

    def __init__(self) -> None:
        self.terminated = self.hung_up = False
        self.child_ended = True  # one may have ended before the handler was set
        self.wake_up, self.waker = posix.pipe()
        posix.set_blocking(self.waker, False)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: setattr(self, "child_ended", True))
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "terminated", True))
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "hung_up", True))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL)  # after SIGHUP the old code has left them blocked

    def held(self) -> SignalsBlocked:
        return SignalsBlocked()

    def leave(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in ALL:
            signal.signal(number, signal.SIG_DFL)


class SignalsBlocked:
    """A context in which none of the signals in ALL is delivered."""

    def __enter__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, ALL)

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL)
