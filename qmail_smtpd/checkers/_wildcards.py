"""Shell-style wildcards over bytes: `*` any bytes, `?` one byte, `[a-z]` one of, `[^a-z]` none of, `\\` quotes
the next byte. In a set `]` and `-` stand for themselves where they come first (`-` also last); a `[` that is
never closed stands for itself. Written here because fnmatch brings in `re`, which costs what a session costs.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

ANY = None  # `*` in a compiled pattern; everything else there is the set of bytes that may stand at that place
_EVERY = range(256)


def compile_pattern(pattern: bytes) -> list[Container[int] | None]:
    """A pattern as a list of sets of bytes, and ANY."""
    places: list[Container[int] | None] = []
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        at += 1
        if byte == b"*":
            places.append(ANY)
        elif byte == b"?":
            places.append(_EVERY)
        elif byte == b"[" and (end := _set_end(pattern, at)):
            places.append(_set(pattern[at:end]))
            at = end + 1
        else:
            if byte == b"\\" and at < len(pattern):
                byte = pattern[at : at + 1]
                at += 1
            places.append(byte)
    return places


def matches(places: list[Container[int] | None], text: bytes) -> bool:
    """Whether the whole text matches. Backtracks to the last `*` only: time is at most length times length."""
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        here = places[place] if place < len(places) else b""
        if here is ANY:
            star, resume = place, at
            place += 1
        elif text[at] in here:
            at += 1
            place += 1
        elif star >= 0:
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return all(rest is ANY for rest in places[place:])


def _set_end(pattern: bytes, start: int) -> int:
    """Where the `]` stands that closes the set whose content begins at `start`; 0 if there is none."""
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
