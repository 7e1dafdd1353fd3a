"""control/sessiontimeout ends a session that keeps talking; control/mindatarate is in force in DATA only."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from pathlib import Path

import pytest

from qmail_smtpd.smtp import rate

from ..logs.test_jsonlog import MAIL, RCPT
from ..support.home import Home
from ..support.processes import BIN


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_busy_client_is_sent_away_when_its_time_is_over(home: Home) -> None:
    home.control("sessiontimeout", "1\n")
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [str(BIN / "qmail-smtpd")], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=home.env()
    )
    theirs.close()
    replies = []
    with ours, ours.makefile("rb") as lines:
        for line in lines:  # one NOOP a reply, for as long as it answers
            replies.append(line)
            if line.startswith(b"421 "):
                break
            with contextlib.suppress(BrokenPipeError):  # the 421 is on its way
                ours.sendall(b"NOOP\r\n")
    _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    assert replies[-1].startswith(b"421 ") and b"(#4.4.2)" in replies[-1]
    assert b"session lasted too long" in log


def test_it_also_ends_a_silent_session(home: Home) -> None:
    home.control("sessiontimeout", "1\n")
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [str(BIN / "qmail-smtpd")], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=home.env()
    )
    theirs.close()
    with ours, ours.makefile("rb") as lines:
        assert [line[:4] for line in lines] == [b"220 ", b"421 "]
    assert process.wait(30) == 1


def test_without_a_limit_there_is_none(home: Home) -> None:
    home.control("sessiontimeout", "0\n")
    assert home.smtp("NOOP\r\nQUIT\r\n").returncode == 0


class ImpatientPace(rate.Pace):
    """The same arithmetic with windows that pass at every block."""

    def too_slow(self, received: int, now: float) -> bool:
        self._since -= rate.WINDOW
        return super().too_slow(received, now)


def test_a_trickling_message_is_told_421(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, so that a minute can pass at once."""
    from ..support.inprocess import converse

    monkeypatch.setattr(rate, "Pace", ImpatientPace)
    pieces = [(MAIL + RCPT + "DATA\r\n").encode(), b"Subject: x\r\n", b"\r\n", b"body\r\n", b".\r\nQUIT\r\n"]
    ending = converse(pieces, control={"mindatarate": b"1000\n"})
    assert ending.output.endswith(b"(#4.4.2)\r\n") and b"\r\n421 " in ending.output
    assert ending.exit == 1
