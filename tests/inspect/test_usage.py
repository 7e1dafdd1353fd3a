"""Every program answers --help and --version in one style, and says so when it is started by hand."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from qmail_smtpd import VERSION
from qmail_smtpd.inspect.usage import PROGRAMS

from ..support.home import Home, codes
from ..support.processes import BIN

NAMES = sorted(path.name for path in BIN.iterdir())
WITHOUT_ARGUMENTS = [name for name, program in PROGRAMS.items() if not (program.takes or program.ignores)]


def run(name: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / name, *arguments], stdin=stdin, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str) -> None:
    done = run(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {name}")


@pytest.mark.parametrize("name", NAMES)
def test_version(name: str) -> None:
    done = run(name, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} {VERSION}\n", "")


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option(name: str) -> None:
    done = run(name, "--verbose-please")
    assert done.returncode == 100 and done.stdout == ""
    assert f"try {name} --help" in done.stderr
    assert "--verbose-please" in done.stderr or "are required" in done.stderr


@pytest.mark.parametrize("name", WITHOUT_ARGUMENTS)
def test_an_argument_that_nobody_takes(name: str) -> None:
    done = run(name, "start")
    assert done.returncode == 100 and "start" in done.stderr


def test_words_in_an_old_run_script_do_not_end_the_service(home: Home) -> None:
    """As patched qmails have them: a host, and a program that checks passwords."""
    argv = [BIN / "qmail-smtpd", "mx.example.org", "/bin/checkpassword"]
    done = subprocess.run(argv, input=b"QUIT\r\n", env=home.env(), capture_output=True, timeout=60, check=False)
    assert codes(done.stdout) == [220, 221]
    assert b"arguments have no effect: mx.example.org /bin/checkpassword" in done.stderr


@pytest.mark.parametrize("name", [name for name, program in PROGRAMS.items() if program.expects])
def test_a_program_that_waits_for_another_says_so_on_a_terminal(name: str) -> None:
    ours, terminal = pty.openpty()
    try:
        done = run(name, stdin=terminal)
    finally:
        os.close(ours)
        os.close(terminal)
    assert done.returncode == 100 and "not to be started by hand" in done.stderr
