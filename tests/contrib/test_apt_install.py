"""contrib/apt-install for a user who is not root, on a machine without sudo."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ..support.processes import ROOT, program

PROGRAMS = {
    "id": "echo 1000",
    "dpkg-query": 'case "$4" in curl | make) echo "install ok installed" ;; *) exit 1 ;; esac',
    "apt-cache": '[ "$2" = postfix ]',
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where there is no sudo, and two packages are installed."""
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("grep", "mkdir", "sort"):
        (tmp_path / name).symlink_to(program(name))
    return str(tmp_path)


def apt_install(path: str, *names: str, needed: str) -> subprocess.CompletedProcess[str]:
    argv = [program("sh"), str(ROOT / "contrib/apt-install"), *names]
    env = {"PATH": path, "NEEDED": needed}
    return subprocess.run(argv, cwd=path, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_nothing_is_said_if_nothing_is_missing(path: str) -> None:
    done = apt_install(path, "curl", "make", needed="curl slapd")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_root_is_asked_for_one_command_that_has_all(path: str) -> None:
    """What is missing now and what the goal of make needs later, each once; a log that root makes would be root's."""
    done = apt_install(path, "curl", "gcc", needed="gcc make slapd ?postfix ?mailfront")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no sudo. Let root run this" in done.stderr
    assert done.stderr.endswith(f"\n  cd {path} && contrib/apt-install postfix gcc slapd\n")
    assert "left out: mailfront, which this release does not have\n" in done.stderr
    assert (Path(path) / "build/packages.log").exists()
