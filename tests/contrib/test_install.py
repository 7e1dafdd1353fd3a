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


def run_make(target: str, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The packages are there: whoever runs the tests has made them."""
    argv = [program("make"), "--no-print-directory", "-o", ".venv/packages", target, *words]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)


def make(target: str, prefix: Path, **variables: object) -> str:
    done = run_make(target, *[f"{name}={value}" for name, value in {"PREFIX": prefix, **variables}.items()])
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


def test_prefix_in_the_environment(prefix: Path) -> None:
    """`PREFIX=/x make install` must not install into the default and replace the programs there."""
    done = run_make("install", env={**os.environ, "PREFIX": str(prefix), "QMAILHOME": "/tmp/trial"})
    assert f"man pages are in {prefix}\n" in done.stdout, done.stderr
    assert "their qmail home is /var/qmail," in done.stdout  # that of a trial must not be built in
    assert (prefix / "bin/qmail-smtpd.orig").exists()


def test_the_prefix_is_the_home_if_it_has_control_files(prefix: Path) -> None:
    """As qmail has its own folder compiled in; a tcpserver line of the original sets no QMAILHOME."""
    (prefix / "control").mkdir()
    (prefix / "control" / "me").write_text("elsewhere.example\n")
    assert f"their qmail home is {prefix}, unless QMAILHOME names another\n" in make("install", prefix)
    env = {name: value for name, value in os.environ.items() if name != "QMAILHOME"}
    done = subprocess.run(
        [prefix / "bin/qmail-smtpd"], input=b"QUIT\r\n", capture_output=True, env=env, timeout=60, check=False
    )
    assert done.stdout.startswith(b"220 elsewhere.example ESMTP"), done.stderr


def test_a_home_that_is_named(tmp_path: Path) -> None:
    text = make("install", Path("/usr"), DESTDIR=tmp_path, QMAILHOME="/srv/qmail")
    assert "their qmail home is /srv/qmail," in text
    assert "/var/qmail," in make("install", Path("/usr"), DESTDIR=tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["install", "PREFIX=opt/qmail"], "PREFIX=opt/qmail: write the full path"),
        (["install", "PREFIX=/nonexistent", "QMAILHOME=qmail"], "QMAILHOME=qmail: write the full path"),
        (["install", f"PREFIX={ROOT}/README.md"], f"cannot install: {ROOT}/README.md/lib: Not a directory"),
        (["uninstall", "PREFIX=/nonexistent"], "nothing of qmail-smtpd is installed in /nonexistent"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(words: list[str], said: str) -> None:
    done = run_make(*words)
    assert done.returncode == 2
    assert done.stderr.split("\n")[0] == said and "Traceback" not in done.stderr
    assert "removed" not in done.stdout


def test_an_original_that_was_installed_later(prefix: Path) -> None:
    """Somebody has compiled qmail anew over our programs: that one is kept now, and the one before is not lost."""
    make("install", prefix)
    newer = ORIGINAL + b"# with another patch\n"
    (prefix / "bin/qmail-smtpd").write_bytes(newer)
    assert "kept as NAME.orig: qmail-smtpd\n" in make("install", prefix)
    assert (prefix / "bin/qmail-smtpd.orig").read_bytes() == newer
    assert (prefix / "bin/qmail-smtpd.orig.old").read_bytes() == ORIGINAL
    (prefix / "bin/qmail-smtpd").write_bytes(newer + b"# and one more\n")
    assert "left alone, since they are not ours: qmail-smtpd\n" in make("uninstall", prefix)
    assert (prefix / "bin/qmail-smtpd").read_bytes() == newer + b"# and one more\n"
    assert (prefix / "bin/qmail-smtpd.orig").read_bytes() == newer


def test_a_queue_program_that_is_gone_is_told(prefix: Path) -> None:
    make("install", prefix)
    queue = prefix / "bin/qmail-queue"
    queue.unlink()
    queue.symlink_to("maildir-queue")
    assert f"{queue} is a link to a program that was removed" in make("uninstall", prefix)


def test_the_original_was_copied_back_by_hand(prefix: Path) -> None:
    """As qmail-smtpd-upgrading(7) tells for a single program."""
    make("install", prefix)
    (prefix / "bin/qmail-smtpd").write_bytes(ORIGINAL)
    assert "kept" not in make("install", prefix)
    (prefix / "bin/qmail-smtpd").write_bytes(ORIGINAL)
    assert "the originals are back: qmail-smtpd qmail-smtpd.8\n" in make("uninstall", prefix)
    assert not (prefix / "bin/qmail-smtpd.orig").exists()


def test_a_program_that_is_to_be_kept(prefix: Path) -> None:
    """As the original auth_smtp, or one that asks vpopmail."""
    make("install", prefix)
    (prefix / "bin/auth_smtp").write_bytes(ORIGINAL)
    make("install", prefix, KEEP="auth_smtp qmail-verify")
    assert (prefix / "bin/auth_smtp").read_bytes() == ORIGINAL
    assert not (prefix / "bin/auth_smtp.orig").exists()
