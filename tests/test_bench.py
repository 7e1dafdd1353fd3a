"""`make bench` works: a quick run of one group prints its rows. What the figures are is not tested anywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from .support.processes import ROOT

PAIRS = [
    ("session", "bare interpreter + null queue"),
    ("session", "smtpfront-qmail"),
    ("session", "mailfront without its script"),
    ("bare interpreter", "mailfront without its script"),
]


def test_a_quick_run_prints_a_table_with_all_rows_of_its_group() -> None:
    command = [sys.executable, str(ROOT / "bench/run.py"), "--quick", "--only", "session"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    head, rule, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    assert head == ["measured", "against", "CPU", "wall", "speed", "RSS", "budget", "absolute"]
    assert set("".join(rule)) == {"-", ":"}
    assert [(row[0], row[1]) for row in rows] == PAIRS
    for row in rows:
        if "front" in row[1] and not shutil.which("smtpfront-qmail"):  # Debian 13 has no mailfront
            assert row[2:] == ["", "", "", "", "", "left out: not installed"]
        else:
            assert all(re.fullmatch(r"\d+\.\d\d ×", figure) for figure in row[2:4]), row
    assert re.fullmatch(r"CPU ≤ 1\.3 (met|MISSED), wall ≤ 1\.3 (met|MISSED)", rows[0][6])


def test_a_group_that_does_not_exist_is_an_error() -> None:
    command = [sys.executable, str(ROOT / "bench/run.py"), "--only", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no such group: nothing" in done.stderr
