"""inspect/limits.py: what is allowed to so many sessions at a time, with limits that are really in force."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ..support.home import Home
from ..support.processes import BIN, program


def limited(home: Home, *limits: str) -> str:
    argv = [program("prlimit"), *limits, str(BIN / "qmail-smtpd-check")]
    env = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(home.path)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False).stdout


def test_descriptors(home: Home) -> None:
    assert "error: limits: ulimit -n, LimitNOFILE: 40 descriptors" in limited(home, "--nofile=40")
    assert "limits" not in limited(home, "--nofile=64")


def test_stack(home: Home) -> None:
    assert "error: limits: softlimit -s or -m, ulimit -s" in limited(home, "--stack=100000")
    assert "limits" not in limited(home, "--stack=200000")


def test_memory_of_all_sessions(home: Home) -> None:
    home.control("concurrencyincoming", "1000000\n")
    assert (
        "warning: control/concurrencyincoming:1: 1000000 processes (a session) may take 7000000 MB of memory"
        in limited(home)
    )
    home.control("concurrencyincoming", "20\n")
    assert "concurrencyincoming" not in limited(home)


@pytest.mark.root
def test_processes(public_folder: Path) -> None:
    """Limits of processes mean nothing to root, so that an ordinary user has to look."""
    home = Home(public_folder / "processes")
    home.control("concurrencyincoming", "500\n")
    argv = [program("prlimit"), "--nproc=1000", str(BIN / "qmail-smtpd-check"), "--home", str(home.path)]
    done = subprocess.run(argv, env={}, user=61235, group=61235, capture_output=True, text=True, check=False)
    text = "500 sessions may start 1500 processes, and 1000 are allowed (ulimit -u, LimitNPROC)"
    assert f"warning: control/concurrencyincoming:1: {text}" in done.stdout, done.stderr
