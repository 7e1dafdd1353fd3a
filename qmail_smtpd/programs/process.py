"""Waiting for programs we started, not longer than we want to."""

from __future__ import annotations

import posix
from time import monotonic, sleep

_SHORTEST, _LONGEST = 0.001, 0.05  # seconds between two looks


def exit_status(status: int) -> int:
    """What waitpid says as an exit status; -1 for an end by a signal."""
    return posix.WEXITSTATUS(status) if posix.WIFEXITED(status) else -1


def reap(pid: int, seconds: float) -> int | None:
    """The exit status of a child that should be about to end; None if it is still there after `seconds`."""
    deadline = monotonic() + seconds
    pause = _SHORTEST
    while True:
        try:
            done, status = posix.waitpid(pid, posix.WNOHANG)
        except OSError:
            return -1  # no child of ours
        if done:
            return exit_status(status)
        if monotonic() >= deadline:
            return None
        sleep(pause)
        pause = min(2 * pause, _LONGEST)
