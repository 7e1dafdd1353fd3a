"""Look-ups in constant databases (cdb(5)), by pycdb, which is imported when the first one is opened.

    database = Reader(file)         a file opened for reading, binary; it stays the caller's
    key in database                 whether there is a record
    database.get(key)               the data of its first record, None without one

Raises Corrupt for whatever keeps a look-up from its answer: trouble with a database is never "not listed".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

HEADER = 2048  # bytes: 256 pairs (position, slots), one for each hash table
LARGEST = 1 << 20  # bytes of the data of a record: more is a sign of corruption
_TROUBLE = (OSError, EOFError, ValueError, MemoryError)  # what pycdb makes of a file that is not whole


class Corrupt(Exception):
    """It cannot be read, or its pointers lead nowhere."""


class Reader:
    """One database."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            file.seek(0)
            head = file.read(HEADER)
            file.seek(0)
            # What a crash can make of a file: each pointer leads behind the header, also that to an empty table.
            if any(int.from_bytes(head[at : at + 4], "little") < HEADER for at in range(0, HEADER, 8)):
                raise Corrupt
            self._cdb = pycdb().CDB(file)
        except _TROUBLE as error:
            raise Corrupt from error

    def __contains__(self, key: bytes) -> bool:
        return self._find(key) is not None

    def get(self, key: bytes) -> bytes | None:
        record = self._find(key)
        if record is None:
            return None
        try:
            if record.dlen > LARGEST:
                raise Corrupt
            data = bytearray(record.dlen)
            record.readbuf(data, len(data))
            return bytes(data)
        except _TROUBLE as error:
            raise Corrupt from error

    def _find(self, key: bytes) -> Any:
        """pycdb's record, None without one. CDB[key] is wrong for bytes keys in pycdb 0.0.1; the search it is made
        of is right."""
        try:
            search = self._cdb.findstart()
            return search if search.findnext(key) else None
        except _TROUBLE as error:
            raise Corrupt from error


def pycdb() -> Any:
    """The package."""
    from .. import thirdparty

    thirdparty.add_to_path()
    import pycdb  # type: ignore[import-untyped]

    return pycdb
