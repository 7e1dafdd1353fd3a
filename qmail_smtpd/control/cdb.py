"""Look-ups in constant databases (cdb(5)), with pycdb, which is imported when the first one is opened.

    database = Reader(file)         `file` is open for reading, in binary mode; the caller closes it
    key in database                 whether there is a record
    database.get(key)               the data of the first record with this key, None without one

Raises Corrupt for any error: a database that cannot be read must not look like one without the key.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

HEADER = 2048  # bytes: 256 pairs (position, slots), one for each hash table
LARGEST = 1 << 20  # bytes of the data of a record: more is a sign of corruption
_ERRORS = (OSError, EOFError, ValueError, MemoryError)  # what pycdb raises for a truncated or damaged file


class Corrupt(Exception):
    """The database cannot be read, or its pointers are wrong."""


class Reader:
    """One database. Raises Corrupt if the header is damaged."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            file.seek(0)
            head = file.read(HEADER)
            file.seek(0)
            # A crash can leave a file full of zeros. In a whole one every pointer, even to an empty table, points
            # behind the header.
            if any(int.from_bytes(head[at : at + 4], "little") < HEADER for at in range(0, HEADER, 8)):
                raise Corrupt
            self._cdb = pycdb().CDB(file)
        except _ERRORS as error:
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
        except _ERRORS as error:
            raise Corrupt from error

    def _find(self, key: bytes) -> Any:
        """pycdb's record, None without one. Not by CDB[key], which is wrong for bytes keys in pycdb 0.0.1, but by the
        search that it is made of."""
        try:
            search = self._cdb.findstart()
            return search if search.findnext(key) else None
        except _ERRORS as error:
            raise Corrupt from error


def pycdb() -> Any:
    """The package pycdb, imported when first needed. Raises ImportError."""
    from .. import thirdparty

    thirdparty.add_to_path()
    import pycdb  # type: ignore[import-untyped]

    return pycdb
