"""The resident mode: SIGHUP brings new code and numbers in, and keeps the old ones where the new cannot start."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.activation import Resident
from ..support.home import Home
from ..support.processes import ROOT
from .test_signals import AFRESH, KEPT, STARTED, greeted


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A program whose code a test may change."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "qmail_smtpd", tmp_path / "code" / "qmail_smtpd", ignore=ignored)
    (tmp_path / "code" / "bin").mkdir()
    shutil.copy(ROOT / "bin" / "qmail-smtpd", tmp_path / "code" / "bin")
    return tmp_path / "code"


def test_sighup_brings_new_code(home: Home, copied: Path) -> None:
    replies = copied / "qmail_smtpd" / "smtp" / "replies.py"
    with Resident(home, argv=[str(copied / "bin" / "qmail-smtpd")]) as resident, greeted(resident) as old:
        replies.write_text(replies.read_text().replace("nothing done", "nothing done, but newly"))
        with greeted(resident) as client:
            assert "newly" not in client.ask("NOOP", 250)
        resident.hang_up()
        resident.wait_for_log(STARTED, 2)
        with greeted(resident) as client:
            assert "newly" in client.ask("NOOP", 250)
        assert "newly" not in old.ask("NOOP", 250)


def broken_number(home: Home, copied: Path) -> Callable[[], None]:
    """A number that cannot be read, not even by root."""
    folder = home.path / "control" / "concurrencyincoming"
    folder.mkdir()
    return folder.rmdir


def broken_code(home: Home, copied: Path) -> Callable[[], None]:
    return broken(copied / "qmail_smtpd" / "session" / "facts.py")


def broken_checker(home: Home, copied: Path) -> Callable[[], None]:
    """Not needed for the start, but sessions would be without it."""
    return broken(copied / "qmail_smtpd" / "checkers" / "nobounce.py")


def broken_program(home: Home, copied: Path) -> Callable[[], None]:
    return broken(copied / "bin" / "qmail-smtpd")


def broken(path: Path) -> Callable[[], None]:
    text = path.read_text()

    def mend() -> None:
        path.write_text(text)

    path.write_text(text + "\nthis is no Python\n")
    return mend


@pytest.mark.parametrize("breakage", [broken_number, broken_code, broken_checker, broken_program])
def test_sighup_with_a_broken_start(home: Home, copied: Path, breakage: Callable[..., Callable[[], None]]) -> None:
    """The old one goes on and says so; once it is mended the next SIGHUP works."""
    with Resident(home, argv=[str(copied / "bin" / "qmail-smtpd")], NOBOUNCE="") as resident, greeted(resident) as old:
        mend = breakage(home, copied)
        for times in (1, 2):
            resident.hang_up()
            resident.wait_for_log(KEPT, times)
            greeted(resident).quit()
        old.deliver()
        mend()
        resident.hang_up()
        resident.wait_for_log(STARTED, 2)
        greeted(resident).quit()
        old.quit()


def test_a_module_that_was_missing_before(home: Home, copied: Path) -> None:
    """It is no reason to keep the old code for ever."""
    broken_checker(home, copied)
    with Resident(home, argv=[str(copied / "bin" / "qmail-smtpd")], NOBOUNCE="") as resident:
        resident.wait_for_log("cannot load checkers.nobounce")
        resident.hang_up()
        resident.wait_for_log(AFRESH)
