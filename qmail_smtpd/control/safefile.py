"""Replace a file so that a reader sees the old one or the new one, never a part of either, not even after a crash.

    replace(target, partial, write)     `write` fills the file `partial`, which is then renamed to `target`

The new file is written under its temporary name, mode 0644, and synced, then renamed, and the folder is synced. Two
processes that do this at the same time take turns. On any error the old file stays and the temporary file is removed.
Raises OSError; `is_about` tells which of the two files it concerns.
"""

from __future__ import annotations

import posix
from stat import S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def replace(target: bytes, partial: bytes, write: Callable[[int], None]) -> None:
    """See the module's docstring. `write` gets a descriptor, open for reading and writing."""
    try:
        fd = _open_alone(partial)
    except OSError as error:
        error.filename = partial
        raise
    try:
        if _is_at(fd, target):
            raise OSError(0, "is the same file as " + partial.decode(errors="replace"))
        _write_and_move(fd, target, partial, write)
    finally:
        posix.close(fd)


def is_about(error: OSError, path: bytes) -> bool:
    """Whether an error that `replace` raised concerns the file `path`."""
    return bool(error.filename == path)


def _write_and_move(fd: int, target: bytes, partial: bytes, write: Callable[[int], None]) -> None:
    try:
        posix.ftruncate(fd, 0)
        write(fd)
        posix.fchmod(fd, 0o644)
        posix.fsync(fd)
        posix.rename(partial, target)
        _sync_folder_of(target)
    except BaseException as error:
        _remove(partial, fd)
        if isinstance(error, OSError):
            error.filename = target
        raise


def _open_alone(path: bytes) -> int:
    """The file `path`, opened or created, and locked until it is closed: a second process waits here."""
    import fcntl

    while True:
        flags = posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
        fd = posix.open(path, flags, 0o644)
        try:
            if not S_ISREG(posix.fstat(fd).st_mode):
                raise OSError(0, "not a regular file")
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_at(fd, path):
                return fd
        except BaseException:
            posix.close(fd)
            raise
        posix.close(fd)  # while we waited for the lock, the process that had it renamed the file: open the next one


def _is_at(fd: int, path: bytes) -> bool:
    """Whether `path` still is a name of the open file."""
    try:
        there = posix.lstat(path)
    except FileNotFoundError:
        return False
    here = posix.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _sync_folder_of(path: bytes) -> None:
    folder = path.rpartition(b"/")[0] + b"/" if b"/" in path else b"."
    fd = posix.open(folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.fsync(fd)
    finally:
        posix.close(fd)


def _remove(partial: bytes, fd: int) -> None:
    try:
        if _is_at(fd, partial):
            posix.unlink(partial)
    except OSError:
        pass
