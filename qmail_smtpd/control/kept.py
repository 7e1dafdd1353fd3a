"""What is dear to make out of files, kept for as long as these are the same: for workers, which serve many sessions.

    kept = Kept()
    kept.get(key, paths, make)      what make() returned when these files were as they are now

A file is known by its inode, size and times, in nanoseconds. The clock behind these ticks every few milliseconds, so a
file that was written within the last YOUNG seconds could be written again without a trace: what is made of it is not
kept. Paths may be relative: the current folder counts.
"""

from __future__ import annotations

import posix
from time import time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")
    Stamp = tuple[int, int, int, int, int]

YOUNG = 2_000_000_000  # nanoseconds
MOST = 32  # values; who asks for more begins anew


class Kept:
    """See the module's text."""

    def __init__(self) -> None:
        self._values: dict[Hashable, tuple[list[Stamp | None], Any]] = {}

    def get(self, key: Hashable, paths: Sequence[bytes | str], make: Callable[[], T]) -> T:
        """Raises what `make` raises."""
        key = posix.getcwd(), key
        stamps = [stamp(path) for path in paths]
        if key in self._values and self._values[key][0] == stamps:
            kept: T = self._values[key][1]
            return kept
        self._values.pop(key, None)
        made = make()
        if are_settled(stamps) and stamps == [stamp(path) for path in paths]:
            if len(self._values) >= MOST:
                self._values.clear()
            self._values[key] = stamps, made
        return made

    def values(self) -> list[Any]:
        return [value for _, value in self._values.values()]


def stamp(path: bytes | str) -> Stamp | None:
    """What a file is known by; None if there is none that we can see."""
    try:
        status = posix.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def are_settled(stamps: Sequence[Stamp | None]) -> bool:
    """Whether a change would show in all of them."""
    now = time_ns()
    return all(known is None or max(known[3:]) + YOUNG < now for known in stamps)
