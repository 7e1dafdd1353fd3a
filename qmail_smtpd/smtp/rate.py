"""A minimum rate for messages: control/mindatarate, bytes a second as an average of each WINDOW seconds.

Pure arithmetic over the times it is told, so that a client which trickles its message for hours can be sent away.
"""

from __future__ import annotations

WINDOW = 60.0  # seconds


class Pace:
    """The pace of one message. `rate` 0 is no minimum."""

    def __init__(self, rate: int, now: float) -> None:
        self._least = rate * WINDOW
        self._since = now
        self._bytes = 0

    def too_slow(self, received: int, now: float) -> bool:
        """Count `received` more bytes; True when a whole window has passed with too few."""
        self._bytes += received
        if now - self._since < WINDOW:
            return False
        slow = self._bytes < self._least * (now - self._since) / WINDOW
        self._since, self._bytes = now, 0
        return slow
