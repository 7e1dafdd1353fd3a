"""The table: one Row for each figure, printed as Markdown.

Ratios are ours to the other's. CPU, wall and RSS are costs (less is better), speed is messages or bytes a second
(more is better). A budget is (column, `<=` or `>=`, limit). A row whose other side has no costs, since that peer is not
installed, is left out, and says so in its last column.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from measure import Cost, middle, ratio

Budget = tuple[str, str, float]
LEFT_OUT = "left out: not installed"
HEAD = ("measured", "against", "CPU", "wall", "speed", "RSS", "budget", "absolute")


@dataclass
class Row:
    """`figures`: column -> ratio. `absolute`: both sides in units, for the reader to see the scale."""

    name: str
    against: str
    figures: dict[str, float]
    absolute: str = ""
    budgets: list[Budget] = field(default_factory=list)

    def verdict(self) -> str:
        """The budget and whether it is met; empty without one."""
        said = []
        for column, sign, limit in self.budgets:
            figure = self.figures[column]
            met = figure <= limit if sign == "<=" else figure >= limit
            said.append(f"{column} {'≤' if sign == '<=' else '≥'} {limit:g} {'met' if met else 'MISSED'}")
        return ", ".join(said)

    def cells(self) -> list[str]:
        figures = [f"{self.figures[c]:.2f} ×" if c in self.figures else "" for c in HEAD[2:6]]
        return [self.name, self.against, *figures, self.verdict(), self.absolute]


def compared(
    name: str,
    against: str,
    ours: list[Cost],
    others: list[Cost],
    budgets: Iterable[Budget] = (),
    *,
    unit: str = "ms",
) -> Row:
    """A row of costs; `unit` is ms or µs."""
    if not others:
        return Row(name, against, {}, LEFT_OUT)
    figures = ratio(ours, others)
    scale = 1e3 if unit == "ms" else 1e6
    a, b = middle(ours), middle(others)
    absolute = f"CPU {a.cpu * scale:.1f} / {b.cpu * scale:.1f} {unit}"
    return Row(name, against, {"CPU": figures.cpu, "wall": figures.wall}, absolute, list(budgets))


def raced(
    name: str,
    against: str,
    ours: list[Cost],
    others: list[Cost],
    budgets: Iterable[Budget] = (),
    *,
    count: float = 1,
    unit: str = "/s",
) -> Row:
    """A row of speeds: each cost was for one session (or for `count` of the unit)."""
    if not others:
        return Row(name, against, {}, LEFT_OUT)
    figures = ratio(ours, others)
    a, b = middle(ours), middle(others)
    absolute = f"{count / a.wall:.0f} / {count / b.wall:.0f} {unit}"
    columns = {"CPU": figures.cpu, "speed": 1 / figures.wall}
    return Row(name, against, columns, absolute, list(budgets))


def markdown(rows: list[Row]) -> str:
    """The rows under one head, in columns of equal width."""
    lines = [list(HEAD), *(row.cells() for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEAD))]
    right = ["-" * (w + 1) + ":" if 2 <= n <= 5 else "-" * (w + 2) for n, w in enumerate(widths)]

    def text(cells: list[str]) -> str:
        padded = [c.rjust(w) if 2 <= n <= 5 else c.ljust(w) for n, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return "| " + " | ".join(padded) + " |"

    return "\n".join([text(lines[0]), "|" + "|".join(right) + "|", *map(text, lines[1:])]) + "\n"
