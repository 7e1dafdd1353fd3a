"""The bundle of start.py: who can read it, and what becomes of one that is no good."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .support.home import Home, codes
from .support.processes import BIN, ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the program without any byte-code."""
    shutil.copytree(ROOT / "qmail_smtpd", tmp_path / "qmail_smtpd", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    shutil.copy(BIN / "qmail-smtpd", tmp_path / "bin")
    return tmp_path


def greets(tree: Path, home: Home, umask: int = 0o022) -> bool:
    argv = [tree / "bin" / "qmail-smtpd"]
    done = subprocess.run(argv, input=b"QUIT\r\n", capture_output=True, env=home.env(), umask=umask, timeout=60)
    assert b"Traceback" not in done.stderr
    return codes(done.stdout) == [220, 221]


def bundle(tree: Path) -> Path:
    (found,) = (tree / "qmail_smtpd" / "__pycache__").glob("bundle.*[!c]")  # not the module's own .pyc
    return found


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_written_for_everybody(tree: Path, home: Home, umask: int) -> None:
    assert greets(tree, home, umask)
    assert bundle(tree).stat().st_mode & 0o777 == 0o644


def test_renewed_when_a_source_is_newer(tree: Path, home: Home) -> None:
    assert greets(tree, home)
    before = bundle(tree).read_bytes()
    os.utime(tree / "qmail_smtpd" / "logs" / "log.py", (1, 1))
    assert greets(tree, home)
    assert bundle(tree).read_bytes() != before


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "other", "no code"])
def test_damaged(tree: Path, home: Home, damage: str) -> None:
    assert greets(tree, home)
    path = bundle(tree)
    whole = path.read_bytes()
    modules = marshal.loads(whole)
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "text": b"hello",
            "other": marshal.dumps(5),
            "no code": marshal.dumps([(name, stamp, 5) for name, stamp, _ in modules]),
        }[damage]
    )
    assert greets(tree, home)
    assert path.read_bytes() == whole
