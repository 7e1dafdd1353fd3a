"""control/maxenvelope: recipients fill neither our memory nor that of the queue program (SPEC section 6)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ..support.home import Home, codes
from ..support.inprocess import converse, play
from ..support.peak import PEAK, kept
from ..support.processes import BIN
from ..support.queue_program import Outcome, QueueProgram, envelope_of

MAIL = b"MAIL FROM:<s@sender.example>\r\n"


def rcpt(number: int, width: int = 870) -> bytes:
    return b"RCPT TO:<%0*d@example.org>\r\n" % (width, number)


def test_what_does_not_fit_waits_for_another_message() -> None:
    """An address counts with two bytes more, as it is given to the queue program."""
    play(
        """
        C: MAIL FROM:<s@sender.example>
        S: 250
        C: RCPT TO:<ann@example.org>
        S: 250
        C: RCPT TO:<robert@example.org>
        S: 452 (#4.5.3)
        C: RCPT TO:<bob@example.org>
        S: 250
        C: RCPT TO:<c@x>
        S: 452 (#4.5.3)
        C: MAIL FROM:<s@sender.example>
        S: 250
        C: RCPT TO:<robert@example.org>
        S: 250
        """,
        {"maxenvelope": b"34\n"},
    )


def test_eight_mebibytes_by_default() -> None:
    said = MAIL + b"".join(rcpt(number) for number in range(9600)) + b"DATA\r\n\r\n.\r\nQUIT\r\n"
    ending = converse([said])
    found = codes(ending.output)[2:-3]
    fit = (8 << 20) // (870 + len("@example.org") + 2)
    assert found == [250] * fit + [452] * (9600 - fit)
    (message,) = ending.queued
    assert message.envelope is not None and message.envelope.count(b"\0T") == fit


def test_short_ones_are_counted_too() -> None:
    ending = converse([MAIL + b"".join(rcpt(number, 1) for number in range(100_050)) + b"QUIT\r\n"])
    assert codes(ending.output)[-52:] == [250, *[452] * 50, 221]


@pytest.mark.parametrize("limit", ["0", "100000000"])
def test_it_can_be_switched_off(limit: str) -> None:
    said = MAIL + b"".join(rcpt(number) for number in range(9600)) + b"QUIT\r\n"
    assert set(codes(converse([said], {"maxenvelope": limit.encode()}).output)) == {220, 221, 250}


def peak(home: Home, data: bytes) -> int:
    """Kilobytes of memory that a session had at its end."""
    home.program("qmail-queue", PEAK)
    run = subprocess.run([os.fspath(BIN / "qmail-smtpd")], input=data, capture_output=True, env=home.env(), timeout=120)
    assert codes(run.stdout)[-2:] == [250, 221]
    return kept(home)


def test_memory_is_bounded_by_it(home: Home) -> None:
    """53 MB of recipients, and then the envelope: less than twice of what it may have."""
    end = b"DATA\r\n\r\n.\r\nQUIT\r\n"
    base = peak(home, MAIL + rcpt(0) + end)
    many = peak(home, MAIL + b"".join(rcpt(number) for number in range(60_000)) + end)
    assert many - base < 2 * 8192


@pytest.mark.parametrize("program", ["maildir-queue", "queue-sendmail"])
def test_the_queue_programs_have_the_same_bound(tmp_path: Path, program: str) -> None:
    def outcome(recipients: int) -> Outcome:
        addresses = [b"%0870d@example.org" % number for number in range(recipients)]
        with QueueProgram(program, tmp_path, env={"SENDMAIL": "/bin/true", "TMPDIR": str(tmp_path)}) as running:
            running.message(b"Subject: x\n\n")
            running.envelope(envelope_of(b"s@sender.example", *addresses))
            return running.wait()

    too_many = Outcome(82, b"Ztoo many recipients for one message; send it in parts", b"")
    assert outcome(9600) == too_many
    if program == "maildir-queue":
        assert outcome(9400) == Outcome(0, b"", b"")
    (tmp_path / "control").mkdir()
    (tmp_path / "control/maxenvelope").write_text("2000\n")
    assert outcome(4) == too_many
    assert outcome(2) == Outcome(0, b"", b"")
