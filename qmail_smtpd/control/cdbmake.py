"""bin/qmail-cdb and bin/qmail-newmrh: constant databases from list files (SPEC section 2).

`qmail-cdb FILE.cdb FILE.tmp < FILE` reads fd 0, `qmail-newmrh` reads control/morercpthosts of the qmail home
and writes control/morercpthosts.cdb. Each entry of the list, lower-cased, is a key, once; the data are empty. The
same rules as for the text file hold: control.list_lines.

Promises that a reader never sees half a file, not even after a crash: the new one is written under its
temporary name (mode 0644), synced, moved, and the folder synced. Two at once take turns. On any error the
old file stays, a line on fd 2 says why, and the exit code is 111; wrong usage is 100.

The format (cdb(5)): 256 pointers to hash tables, the records, the tables; little-endian 32-bit numbers.
It is written here and not by pycdb, whose writer, when the disk is full, tries again while it is being freed:
on a descriptor that is closed by then, or is another file's.
"""

from __future__ import annotations

import posix
import sys
from stat import S_ISREG
from struct import pack

from ..logs.log import Log
from .cdb import HEADER
from .files import DEFAULT_HOME, ControlError, ControlFiles, list_lines, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TROUBLE, USAGE = 111, 100
LARGEST = 0xFFFFFFFF  # bytes a database can have


class CdbError(Exception):
    """A database could not be made. `path` and `reason` are bytes, fit for the log."""

    def __init__(self, path: bytes, reason: bytes) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason


def qmail_cdb() -> int:
    """The program qmail-cdb. Returns its exit code."""
    log = Log(b"qmail-cdb", 1)
    if len(sys.argv) != 3:
        log.line(b"usage: qmail-cdb FILE.cdb FILE.tmp < FILE")
        return USAGE
    coding = sys.getfilesystemencoding()
    target, partial = (name.encode(coding, "surrogateescape") for name in sys.argv[1:])
    return _tell(log, lambda: make(list_lines(_standard_input()), target, partial))


def qmail_newmrh() -> int:
    """The program qmail-newmrh. Returns its exit code."""
    log = Log(b"qmail-newmrh", 1)
    if len(sys.argv) != 1:
        log.line(b"usage: qmail-newmrh")
        return USAGE
    return _tell(log, newmrh)


def newmrh() -> None:
    """Make control/morercpthosts.cdb of the qmail home. Raises ControlError, CdbError."""
    control = ControlFiles((posix.environ.get(b"QMAILHOME") or DEFAULT_HOME) + b"/control")
    text = control.read("morercpthosts")
    if text is None:
        raise ControlError(control.path("morercpthosts"), b"no such file")
    make(list_lines(text), control.path("morercpthosts.cdb"), control.path("morercpthosts.tmp"))


def _tell(log: Log, work: Callable[[], None]) -> int:
    try:
        work()
    except (ControlError, CdbError) as error:
        log.line(b"fatal: ", error.path, b": ", error.reason)
        return TROUBLE
    except MemoryError:
        log.line(b"fatal: out of memory")
        return TROUBLE
    return 0


def _standard_input() -> bytes:
    blocks = [b"-"]
    try:
        posix.fstat(0)
        while blocks[-1]:
            blocks.append(posix.read(0, 65536))
    except OSError as error:
        raise CdbError(b"standard input", reason(error)) from error
    return b"".join(blocks[1:])


def make(entries: Iterable[bytes], target: bytes, partial: bytes) -> None:
    """Replace the database `target` by one of these keys, written as `partial` first. Raises CdbError."""
    posix.umask(0o022)
    try:
        fd = _open_alone(partial)
    except OSError as error:
        raise CdbError(partial, reason(error)) from error
    try:
        if _is_at(fd, target):
            raise CdbError(target, b"is the same file as " + partial)
        _write_and_move(fd, entries, target, partial)
    finally:
        posix.close(fd)


def _write_and_move(fd: int, entries: Iterable[bytes], target: bytes, partial: bytes) -> None:
    try:
        write_keys(fd, entries)
        posix.fchmod(fd, 0o644)
        posix.fsync(fd)
        posix.rename(partial, target)
        _sync_folder_of(target)
    except BaseException as error:
        _remove(partial, fd)
        if isinstance(error, OSError):
            raise CdbError(target, reason(error)) from error
        raise


def write_keys(fd: int, entries: Iterable[bytes]) -> None:
    """Write a whole database of these keys, lower-cased, with empty data. Raises OSError, CdbError."""
    posix.ftruncate(fd, 0)
    tables: list[list[tuple[int, int]]] = [[] for _ in range(256)]
    with open(fd, "wb", closefd=False) as file:
        file.write(bytes(HEADER))
        end = HEADER
        for key in dict.fromkeys(entry.lower() for entry in entries):
            code = hash_of(key)
            tables[code & 255].append((code, end))
            file.write(pack("<LL", len(key), 0) + key)
            end += 8 + len(key)
            if end > LARGEST:
                raise CdbError(b"the list", b"too long for a constant database")
        starts = [0] * 256
        for number, table in enumerate(tables):
            starts[number] = end
            file.write(_slots(table))
            end += 16 * len(table)
            if end > LARGEST:
                raise CdbError(b"the list", b"too long for a constant database")
        file.seek(0)
        file.write(b"".join(pack("<LL", start, 2 * len(tables[n])) for n, start in enumerate(starts)))


def _slots(table: list[tuple[int, int]]) -> bytes:
    """A hash table: two slots an entry, each entry in the first free slot from the one its hash names."""
    slots = [(0, 0)] * (2 * len(table))
    for code, position in table:
        place = (code >> 8) % len(slots)
        while slots[place][1]:
            place = (place + 1) % len(slots)
        slots[place] = (code, position)
    return b"".join(pack("<LL", code, position) for code, position in slots)


def hash_of(key: bytes) -> int:
    """The hash function of the format, 32 bits."""
    value = 5381
    for byte in key:
        value = ((value * 33) & 0xFFFFFFFF) ^ byte
    return value


def _open_alone(path: bytes) -> int:
    """The file `path`, made if missing, locked against a second one of us until it is closed."""
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
        posix.close(fd)  # while we waited for the lock, the one before us has moved the file away


def _is_at(fd: int, path: bytes) -> bool:
    """Whether `path` is a name of the open file."""
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
