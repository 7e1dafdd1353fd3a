"""Find the known name that a misspelt name may stand for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORT = 6  # letters; two mistakes in a shorter name would make it another word


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that differs from `name` by case, or by one mistake (two in a long name); "" without one.

    A mistake is a letter too many, too few, wrong, or changed with its neighbour; also - for _ and the like.
    """
    found = ""
    least = 3 if len(name) >= _SHORT else 2
    for candidate in known:
        if abs(len(candidate) - len(name)) < least and len(candidate) > 2:
            mistakes = distance(name.upper(), candidate.upper())
            if mistakes < least:
                found, least = candidate, mistakes
    return found


def distance(one: str, other: str) -> int:
    """How many mistakes lie between two names (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        previous, row = row, [i]
        for j, its in enumerate(other, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before = previous
    return row[-1]
