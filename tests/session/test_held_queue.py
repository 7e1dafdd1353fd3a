"""A held message and the queue program: which reason is told first, and what comes of one that all checks let pass."""

from __future__ import annotations

import pytest

from qmail_smtpd import checkers
from qmail_smtpd.checker import Checker
from qmail_smtpd.programs import qmailqueue

from ..support.held_site import ENVELOPE, LARGE, LOOKS, SAID, holds, queued, smtp, told
from ..support.home import Home, codes
from ..support.inprocess import converse
from ..support.site_checker import write

HOPS = "Received: x\r\n" * 100


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (HOPS + LARGE + "TVqQ\r\n", b"554 too many hops"),
        ("X: y\r\n" + LARGE * 2, b"552 message is larger"),
        ("X: y\r\n\r\nTVqQ\r\n" + "x" * 300_000 + "\r\n", b"552 attachments"),
        ("X: y\r\n" + LARGE, b"451 "),
        ("X: y\r\n\r\nsmall\r\n", b"550 spam"),
    ],
    ids=["hops", "size", "REJECTEXEC", "disk", "check"],
)
def test_the_first_of_several_reasons(home: Home, message: str, reply: bytes) -> None:
    home.control("signatures", "TVqQ\n")
    holds(home, "return reject(b'spam', 550)")
    said = ENVELOPE + message + ".\r\nQUIT\r\n"
    session = smtp(home, said, DATABYTES="700000", REJECTEXEC="", TMPDIR="/no/such/folder")
    assert told(session).startswith(reply), session.stderr
    assert home.queued() == []


def test_a_header_that_is_too_large_to_look_at(home: Home) -> None:
    write(home, LOOKS)
    session = smtp(home, ENVELOPE + "A: b\r\n" * 10_000 + "\r\n.\r\nQUIT\r\n")
    assert told(session) == b"552 the header is larger than this host accepts (#5.3.4)"
    assert home.queued() == []


@pytest.mark.parametrize(
    ("source", "reply"),
    [
        ("#!/bin/sh\nexit 31\n", b"554 the queue refuses"),
        ("#!/bin/sh\nexit 0\n", b"451 "),
        ("#!/bin/sh\ncat >&2\ncat <&1 >&2\nprintf 'Dno (#5.6.0)' >&4\nexit 82\n", b"554 no (#5.6.0)"),
        ("#!/bin/sh\nkill -9 $$\n", b"451 "),
        ("not executable", b"451 the queue program cannot be executed"),
    ],
)
def test_what_the_queue_program_says_is_told(home: Home, source: str, reply: bytes) -> None:
    path = home.program("qmail-queue", source)
    if not source.startswith("#!"):
        path.unlink()
    write(home, LOOKS)
    assert told(smtp(home, ENVELOPE + LARGE + ".\r\nQUIT\r\n")).startswith(reply)


class Holds(Checker):
    holds = True


def test_no_queue_program_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(path: bytes, env: dict[bytes, bytes]) -> None:
        raise qmailqueue.QueueUnavailable from OSError(11, "no more processes")

    usual = checkers.configured
    monkeypatch.setattr(checkers, "configured", lambda config, log: [*usual(config, log), Holds()])
    said = [SAID.encode()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.inprocess.MemoryQueue", lambda message: start(b"", {}))
        ending = converse(said)
    assert codes(ending.output) == [220, 250, 250, 250, 354, 451, 221]
    assert any(b"cannot start the queue: [Errno 11] no more processes" in line for line in ending.log)


def test_the_environment_of_the_queue_program(home: Home) -> None:
    home.control("relaymailfrom", "s@sender.example\n")
    write(home, LOOKS)
    smtp(home)
    assert queued(home).env["RELAYCLIENT"] == ""
