"""Whether what we are about to trust, a module, a program or a database, is in nobody else's hands.

    trouble(path)       what speaks against it, for people, "" if nothing does

A file and the folder it is in must belong to root or to us, and nobody else, no group either, may write to them. Nor
may everybody write to a folder above, unless names there are safe from others (the sticky bit). Where links lead on the
way, both ends count. What does not exist is no trouble: its user finds out.
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
    """`near`: the thing itself or its folder."""
    try:
        status = posix.stat(place)
    except OSError:
        return ""
    if near and status.st_uid not in (0, posix.geteuid()):
        return f"{place} belongs to somebody else (user {status.st_uid})"
    open_to_all = status.st_mode & S_IWOTH and (near or not status.st_mode & S_ISVTX)
    if open_to_all or (near and status.st_mode & S_IWGRP):
        return f"others may write to {place}"
    return ""
