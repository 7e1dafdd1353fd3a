"""make install and make uninstall: twice over, with and without DESTDIR, and back again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from qmail_smtpd import VERSION

from ..support.home import Home, codes
from ..support.processes import BIN, ROOT, program

NAMES = sorted(path.name for path in BIN.iterdir())
PAGE = b".TH qmail-smtpd 8\n"
ORIGINAL = b"#!/bin/sh\nexit 111 # the program of another make\n"


def make(target: str, prefix: Path, **variables: object) -> str:
    """The packages are there: whoever runs the tests has made them."""
    words = [f"{name}={value}" for name, value in {"PREFIX": prefix, **variables}.items()]
    argv = [program("make"), "--no-print-directory", "-o", ".venv/packages", target, *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A qmail home with an original receiver in it, and a queue program that is none of our business."""
    (tmp_path / "qmail" / "bin").mkdir(parents=True)
    for name in ("qmail-smtpd", "qmail-queue"):
        (tmp_path / "qmail" / "bin" / name).write_bytes(ORIGINAL)
        (tmp_path / "qmail" / "bin" / name).chmod(0o4711)
    (tmp_path / "qmail/man/man8").mkdir(parents=True)
    (tmp_path / "qmail/man/man8/qmail-smtpd.8").write_bytes(PAGE)
    return tmp_path / "qmail"


def version(prefix: Path, name: str) -> str:
    return subprocess.run([prefix / "bin" / name, "--version"], capture_output=True, text=True, check=True).stdout


def test_installed_twice_and_taken_away(prefix: Path, home: Home) -> None:
    assert "kept as NAME.orig: qmail-smtpd qmail-smtpd.8\n" in make("install", prefix)
    assert "kept" not in make("install", prefix)
    assert [version(prefix, name) for name in NAMES] == [f"{name} {VERSION}\n" for name in NAMES]
    said = b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nx: y\r\n.\r\nQUIT\r\n"
    done = subprocess.run(
        [prefix / "bin" / "qmail-smtpd"], input=said, capture_output=True, env=home.env(), timeout=60, check=False
    )
    assert codes(done.stdout) == [220, 250, 250, 354, 250, 221], done.stderr
    kept = prefix / "bin" / "qmail-smtpd.orig"
    assert kept.read_bytes() == ORIGINAL and kept.stat().st_mode & 0o7777 == 0o4711
    assert "the originals are back: qmail-smtpd qmail-smtpd.8\n" in make("uninstall", prefix)
    assert {path.name: path.read_bytes() for path in (prefix / "bin").iterdir()} == {
        "qmail-smtpd": ORIGINAL,
        "qmail-queue": ORIGINAL,
    }
    assert not (prefix / "lib" / "qmail-smtpd").exists()
    pages = {path.name: path.read_bytes() for path in (prefix / "man").rglob("*") if path.is_file()}
    assert pages == {"qmail-smtpd.8": PAGE}


def test_into_a_folder_of_a_package(tmp_path: Path) -> None:
    """DESTDIR stands before every path that is written, and in none."""
    for _ in range(2):
        make("install", Path("/opt/qmail"), DESTDIR=tmp_path)
    program_text = (tmp_path / "opt/qmail/bin/qmail-smtpd").read_text()
    assert "'/opt/qmail/lib/qmail-smtpd'" in program_text and str(tmp_path) not in program_text
    for path in (tmp_path / "opt/qmail/lib").rglob("*.pyc"):
        assert os.fsencode(tmp_path) not in path.read_bytes(), path
    make("uninstall", Path("/opt/qmail"), DESTDIR=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
