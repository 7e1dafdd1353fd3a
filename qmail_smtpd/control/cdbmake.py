"""bin/qmail-cdb and bin/qmail-newmrh: constant databases from list files (SPEC section 2).

`qmail-cdb FILE.cdb FILE.tmp < FILE` reads fd 0; `qmail-newmrh` reads control/morercpthosts of the qmail home and
writes control/morercpthosts.cdb. Every entry of the list becomes a key, in lower case and once; the data are empty.
What is an entry is decided by files.list_lines, as for the text file.

A reader never sees half a database, not even after a crash (safefile.py). Two programs that write the same database
take turns. On any error the old database stays, a line on fd 2 says why, and the exit code is 111; for wrong usage it
is 100.

The format (cdb(5)): 256 pointers to hash tables, the records, the tables; little-endian 32-bit numbers. It is written
here and not by pycdb: after an error, such as a full disk, pycdb's writer writes again when its object is freed, to a
descriptor that is closed by then or belongs to another file.
"""

from __future__ import annotations

import posix
import sys
from struct import pack

from ..logs.log import Log
from .cdb import HEADER
from .files import ControlError, control_of_home, list_lines, reason
from .safefile import is_about, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TROUBLE, USAGE = 111, 100
LARGEST = 0xFFFFFFFF  # bytes a database can have


class CdbError(Exception):
    """A database could not be made: the file or input with the problem, and the reason, both as bytes for the log."""

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
    control = control_of_home(posix.environ)
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
    """Replace the database `target` by one with these keys; `partial` is the name of the temporary file. Raises
    CdbError."""
    posix.umask(0o022)
    try:
        replace(target, partial, lambda fd: write_keys(fd, entries))
    except OSError as error:
        raise CdbError(partial if is_about(error, partial) else target, reason(error)) from error


def write_keys(fd: int, entries: Iterable[bytes]) -> None:
    """Write a whole database with these keys, in lower case, and empty data. Raises OSError, CdbError."""
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
