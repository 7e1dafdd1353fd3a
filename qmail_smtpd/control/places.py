"""Whether a file that we are about to trust (a module, a program, a database) could have been changed by other users.

    trouble(path)       what is wrong, as text for administrators; "" if it is safe

A file and its folder must belong to root or to our user, and neither their group nor others may write to them. The
folders above must not be writable for others, except with the sticky bit. For symbolic links both the path as given and
the path they lead to are examined. A file that does not exist is no trouble: opening it will fail.
"""

from __future__ import annotations

import posix
from stat import S_ISVTX, S_IWGRP, S_IWOTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def trouble(path: str | bytes) -> str:
    from os import fsdecode
    from os.path import abspath, realpath

    path = fsdecode(path)
    for way in {abspath(path), realpath(path)}:
        for distance, place in enumerate(_upwards(way)):
            found = _trouble(place, near=distance < 2)
            if found:
                return found
    return ""


def _upwards(path: str) -> Iterator[str]:
    """The path, its folder, and so on."""
    while path.rstrip("/"):
        yield path
        path = path.rpartition("/")[0]


def _trouble(place: str, near: bool) -> str:
    """What is wrong with the file or folder `place`. `near`: it is the file itself or the folder that the file is in,
    for which the stricter rules hold."""
    try:
        status = posix.stat(place)
    except OSError:
        return ""
    if near and status.st_uid not in (0, posix.geteuid()):
        return f"{place} belongs to another user (uid {status.st_uid})"
    open_to_all = status.st_mode & S_IWOTH and (near or not status.st_mode & S_ISVTX)
    if open_to_all or (near and status.st_mode & S_IWGRP):
        return f"others may write to {place}"
    return ""
