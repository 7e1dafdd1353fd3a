"""The minimum rate of a message: control/mindatarate, in bytes per second, averaged over each WINDOW seconds.

It keeps a client from holding a session for hours by sending its message a byte at a time. Pure: the caller passes in
the time (seconds, of any clock that only goes forward).
"""

from __future__ import annotations

WINDOW = 60.0  # seconds


class Pace:
    """The rate of one message, measured from `now` on. `rate` is the minimum; 0 for none."""

    def __init__(self, rate: int, now: float) -> None:
        self._least = rate * WINDOW
        self._since = now
        self._bytes = 0

    def too_slow(self, received: int, now: float) -> bool:
        """Count `received` more bytes; True if a whole WINDOW has passed with too few."""
        self._bytes += received
        if now - self._since < WINDOW:
            return False
        slow = self._bytes < self._least * (now - self._since) / WINDOW
        self._since, self._bytes = now, 0
        return slow
