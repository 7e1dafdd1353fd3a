"""control/smtpmilters and control/smtppolicies, line by line, and the names in NOMILTERS."""

from __future__ import annotations

from ..checkers import ORDER
from ..control.config import names_in
from ..filters.settings import MILTER_OPTIONS, POLICY_OPTIONS, parse_line
from .findings import Report, shown
from .home import Home
from .settings import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..filters.settings import Filter

OPTIONS = {"smtpmilters": MILTER_OPTIONS, "smtppolicies": POLICY_OPTIONS}


def lines(home: Home, file: str) -> Iterator[tuple[int, Filter]]:
    """The lines of a file without errors: (number, Filter)."""
    for line, entry in home.entries(file):
        try:
            yield line, parse_line(entry, OPTIONS[file], b"")
        except ValueError:
            pass  # reported by `judge`


def names(home: Home) -> list[str]:
    """The names of all filters, which SHADOW may have."""
    return [one.name for file in OPTIONS for _, one in lines(home, file)]


def judge(report: Report, home: Home) -> None:
    taken = {name: "is that of a built-in check" for name, _ in ORDER}
    for file, options in OPTIONS.items():
        for line, entry in home.entries(file):
            try:
                one = parse_line(entry, options, b"")
            except ValueError as error:
                report.error(f"control/{file}", f"{shown(str(error).encode())}; every session gets 421", line)
                continue
            _name(report, file, line, one.name, taken)
            taken.setdefault(one.name, f"is that of control/{file}:{line}")


def _name(report: Report, file: str, line: int, name: str, taken: dict[str, str]) -> None:
    if name in taken and f"control/{file}:" in taken[name]:
        report.error(f"control/{file}", f"the name {name} {taken[name]}; every session gets 421", line)
    elif name in taken:
        report.warning(f"control/{file}", f"the name {name} {taken[name]}: in SHADOW it means both", line)


def judge_setting(report: Report, setting: Setting, home: Home) -> None:
    """Whether the milters that NOMILTERS names exist."""
    if setting.sets("NOMILTERS"):
        known = [one.name.encode() for _, one in lines(home, "smtpmilters")]
        for word in names_in(setting.value("NOMILTERS")):
            if word not in known:
                setting.error(report, f"NOMILTERS: control/smtpmilters has no milter named {shown(word)}")
