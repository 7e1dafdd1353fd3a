"""A cache of values made from files, valid while the files are unchanged. For workers, which serve many sessions.

    kept = Kept()
    kept.get(key, paths, make)      the value of make(), made again when one of the files has changed

A change shows in a file's inode, size or times (nanoseconds). The clock of file systems only advances every few
milliseconds, so a file that was written less than YOUNG nanoseconds ago could be written again with the same times: a
value made from it is not cached. Paths may be relative; the working directory is part of the key.
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
MOST = 32  # values; when there would be more, the cache is emptied


class Kept:
    """See the module's docstring."""

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
        """All cached values."""
        return [value for _, value in self._values.values()]


def stamp(path: bytes | str) -> Stamp | None:
    """What changes when a file is changed: device, inode, size and times (ns). None if the file does not exist or may
    not be examined."""
    try:
        status = posix.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def are_settled(stamps: Sequence[Stamp | None]) -> bool:
    """Whether any later change of these files must give another stamp: all were last written YOUNG ns ago."""
    now = time_ns()
    return all(known is None or max(known[3:]) + YOUNG < now for known in stamps)
