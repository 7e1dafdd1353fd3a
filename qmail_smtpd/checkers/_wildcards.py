"""Shell-style wildcards over bytes: `*` any bytes, `?` one byte, `[a-z]` one of these, `[^a-z]` one of the others, `\\`
quotes the next byte. In a set `]` and `-` are literal where they come first (`-` also last); a `[` that is never closed
is literal. Written here because fnmatch imports `re`, which costs as much as a session.

    compile_pattern(pattern)    a Pattern: the parts between the stars
    matches(pattern, text)      whether the whole text matches

Time is linear in the text for each part of the pattern: bytes are searched by functions in C. Parts are mostly literal,
and most patterns fail at their first or last part. Raises nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Place = bytes | range | frozenset[int]  # the bytes that may be at one position
    # A part without a star: literal bytes, or for each position a table of 256 bytes, 1 for those that may be there.
    Part = bytes | tuple[bytes, ...]
    # Bytes that every matching text contains, and the parts between the stars.
    Pattern = tuple[bytes, list[Part]]

_EVERY = range(256)
MOST_TABLES = 1000
_tables: dict[Place, bytes] = {}  # a cache


def compile_pattern(pattern: bytes) -> Pattern:
    """See the module's docstring."""
    if b"?" not in pattern and b"[" not in pattern and b"\\" not in pattern:
        return b"", list(pattern.split(b"*"))
    parts: list[list[Place]] = [[]]
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        at += 1
        if byte == b"*":
            parts.append([])
        elif byte == b"?":
            parts[-1].append(_EVERY)
        elif byte == b"[" and (end := _set_end(pattern, at)):
            parts[-1].append(_set(pattern[at:end]))
            at = end + 1
        else:
            if byte == b"\\" and at < len(pattern):
                byte = pattern[at : at + 1]
                at += 1
            parts[-1].append(byte)
    return max((_literal(places) for places in parts), key=len), [_part(places) for places in parts]


def matches(pattern: Pattern, text: bytes) -> bool:
    """See the module's docstring."""
    needed, parts = pattern
    if needed not in text:
        return False
    first, last = parts[0], parts[-1]
    at, end = len(first), len(text) - len(last)
    if len(parts) == 1:
        return at == len(text) and _stands(first, text, 0)
    if end < at or not _stands(last, text, end) or not _stands(first, text, 0):
        return False
    for part in parts[1:-1]:  # the leftmost match of each part leaves the most text for the others
        found = text.find(part, at, end) if isinstance(part, bytes) else _find(part, text, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _stands(part: Part, text: bytes, at: int) -> bool:
    """Whether a part matches at this position."""
    if isinstance(part, bytes):
        return text.startswith(part, at)
    return all(table[byte] for table, byte in zip(part, text[at:], strict=False))


def _find(part: tuple[bytes, ...], text: bytes, start: int, end: int) -> int:
    """The first position where the part matches, -1 without one. Each table gives a number with one byte for each
    position of the text, 1 where it allows the byte there. Shifted by the table's distance from the first, these
    numbers are combined by AND: a 1 that is left is a match."""
    piece = text[start:end]
    agreed = -1
    for distance, table in enumerate(part):
        agreed &= int.from_bytes(piece.translate(table), "little") >> 8 * distance
    places = agreed.to_bytes(len(piece) + 1, "little").find(1)
    return start + places if places >= 0 else -1


def _part(places: list[Place]) -> Part:
    if all(isinstance(place, bytes) for place in places):
        return _literal(places)
    return tuple(map(_table, places))


def _literal(places: list[Place]) -> bytes:
    """The longest literal run in a part."""
    runs = [b""]
    for place in places:
        if isinstance(place, bytes):
            runs[-1] += place
        else:
            runs.append(b"")
    return max(runs, key=len)


def _table(place: Place) -> bytes:
    if place not in _tables:
        if len(_tables) > MOST_TABLES:
            _tables.clear()
        _tables[place] = bytes(byte in place for byte in _EVERY)
    return _tables[place]


def _set_end(pattern: bytes, start: int) -> int:
    """The position of the `]` that closes the set whose content begins at `start`; 0 if there is none."""
    first = start + 1 if pattern[start : start + 1] == b"^" else start
    return max(pattern.find(b"]", first + 1), 0)


def _set(content: bytes) -> frozenset[int]:
    negated = content.startswith(b"^")
    members: set[int] = set()
    at = 1 if negated else 0
    while at < len(content):
        low = high = content[at]
        if at + 2 < len(content) and content[at + 1 : at + 2] == b"-":
            high = content[at + 2]
            at += 2
        members.update(range(low, high + 1))
        at += 1
    return frozenset(_EVERY).difference(members) if negated else frozenset(members)
