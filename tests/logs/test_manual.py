"""man/qmail-smtpd-log.5 has every line that a session tells, and every field of the JSON format."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ..support.processes import ROOT

PAGE = (ROOT / "man/qmail-smtpd-log.5").read_text()
ITEMS = re.findall(r"^\.It Li (.*)$", PAGE, re.MULTILINE)
LOGS = ROOT / "qmail_smtpd" / "logs"
# Said of a session by others than the log itself.
ELSEWHERE = ("connection options: ", "command: ", "shadow ", "checker ")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def beginnings() -> list[str]:
    """How the lines that Log has a method for begin, up to what varies."""
    found = []
    for call in (node for node in ast.walk(tree(LOGS / "log.py")) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("write", "line") and len(call.args) > 1:
            parts = [node.value.decode() for node in ast.walk(call) if isinstance(getattr(node, "value", None), bytes)]
            found += [
                part.partition("%")[0] for part in parts if part.endswith((": ", "from ", "user ")) or "%d" in part
            ]
    return [part for part in found if part]


def keys() -> set[str]:
    """The names of all fields."""
    found = set()
    for node in ast.walk(tree(LOGS / "jsonlog.py")):
        if isinstance(node, ast.Dict):
            found |= {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            found |= {node.slice.value} if isinstance(node.slice.value, str) else set()
    return {name for name in found if name.islower()}  # not the name of a type


def test_the_lines_of_the_log_are_found() -> None:
    assert {"message queued: ", "connection from ", "rcpt to: ", " refused: ", "connection ended: "} <= set(
        beginnings()
    )
    assert {"time", "recipient_count", "seconds", "exit", "address"} <= keys()


@pytest.mark.parametrize("beginning", [*sorted(set(beginnings())), *ELSEWHERE])
def test_a_line_is_in_the_manual(beginning: str) -> None:
    assert any(beginning in item for item in ITEMS), beginning


def test_the_fields_are_those_of_the_manual() -> None:
    told = {name for item in ITEMS for name in item.split(" , ") if re.fullmatch("[a-z_]+", name)}
    assert told == keys()


def test_the_events_are_those_of_the_manual() -> None:
    calls = [node for node in ast.walk(tree(LOGS / "jsonlog.py")) if isinstance(node, ast.Call)]
    told = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "_tell"]
    names = {call.args[0].value for call in told if isinstance(call.args[0], ast.Constant)}
    assert set(re.findall(r"^\.Ss Event (\w+)$", PAGE, re.MULTILINE)) == names
