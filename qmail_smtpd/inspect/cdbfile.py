"""Read a constant database as a whole: every record, and whether the hash tables point to all of them (cdb(5)).

A look-up by a session reads one record and trusts the rest of the file. Raises control.cdb.Corrupt, whose text says
what is wrong.
"""

from __future__ import annotations

from struct import error as struct_error
from struct import iter_unpack, unpack_from

from ..control.cdb import HEADER, Corrupt
from ..control.cdbmake import hash_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def records(data: bytes) -> list[tuple[bytes, bytes]]:
    """All records as (key, data), in order."""
    if len(data) < HEADER:
        raise Corrupt("too short")
    if not data.strip(b"\0"):
        raise Corrupt("nothing but zeros")
    tables = list(iter_unpack("<II", data[:HEADER]))
    if any(position + 8 * slots > len(data) for position, slots in tables):
        raise Corrupt("cut off")
    end = min((position for position, slots in tables if slots), default=HEADER)
    found = {place: (key, value) for place, key, value in _records(data, end)}
    led_to = {place: value for position, slots in tables for value, place in _slots(data, position, slots) if place}
    if led_to != {place: hash_of(key) for place, (key, _) in found.items()}:
        raise Corrupt("its tables do not match its records")
    return list(found.values())


def _slots(data: bytes, position: int, slots: int) -> Iterator[tuple[int, int]]:
    """The slots of one table: (hash, position of the record), the position 0 in an empty slot."""
    pairs: Iterator[tuple[int, int]] = iter_unpack("<II", data[position : position + 8 * slots])
    return pairs


def _records(data: bytes, end: int) -> Iterator[tuple[int, bytes, bytes]]:
    place = HEADER
    while place < end:
        try:
            key_length, length = unpack_from("<II", data, place)
        except struct_error as error:
            raise Corrupt("a record is cut off") from error
        key = place + 8
        value = key + key_length
        if value + length > end:
            raise Corrupt("a record reaches into the tables")
        yield place, data[key:value], data[value : value + length]
        place = value + length
