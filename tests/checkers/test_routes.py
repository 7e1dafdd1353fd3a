"""An address with a route in its local part, and a queue program that may follow it (SPEC section 6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.home import Home, codes
from ..support.inprocess import play

MAIL = "C: MAIL FROM:<s@sender.example>\nS: 250\n"
ROUTES = [
    "victim%other.example",
    "other.example!victim",
    "victim%other.example@example.org",
    "other.example!victim@example.org",
    '"victim@other.example"@example.org',
    "victim@other.example@example.org",
    "a!b%c",
]


@pytest.mark.parametrize("recipient", ROUTES)
def test_a_foreign_queue_program(recipient: str) -> None:
    play(f"{MAIL}C: RCPT TO:<{recipient}>\nS: 553 (#5.7.1)\nC: RCPT TO:<ann@example.org>\nS: 250", QMAILQUEUE="/opt/q")


@pytest.mark.parametrize("recipient", ROUTES)
def test_that_of_qmail_judges_as_we_do(recipient: str) -> None:
    play(f"{MAIL}C: RCPT TO:<{recipient}>\nS: 250")


def test_who_may_relay_may_write_routes() -> None:
    play(f"{MAIL}C: RCPT TO:<{ROUTES[0]}>\nS: 250", QMAILQUEUE="/opt/q", RELAYCLIENT="")


def test_the_administrator_knows_better() -> None:
    listed = {"plainqueues": b"# ours\n/opt/q\n"}
    play(f"{MAIL}C: RCPT TO:<{ROUTES[0]}>\nS: 250", listed, QMAILQUEUE="/opt/q")
    play(f"{MAIL}C: RCPT TO:<{ROUTES[0]}>\nS: 553 (#5.7.1)", listed, QMAILQUEUE="/opt/other")


def answer(home: Home, **env: str) -> int:
    return codes(home.smtp(f"MAIL FROM:<s@sender.example>\r\nRCPT TO:<{ROUTES[0]}>\r\nQUIT\r\n", **env).stdout)[2]


def test_what_stands_behind_the_name(home: Home, tmp_path: Path) -> None:
    """A link to queue-sendmail and a script around it are no qmail-queue; maildir-queue sends nothing anywhere."""
    home.link("maildir-queue", "queue-sendmail")
    assert answer(home) == 250
    assert answer(home, QMAILQUEUE="bin/maildir-queue") == 250
    assert answer(home, QMAILQUEUE="bin/queue-sendmail") == 553
    home.program("qmail-queue", "#!/bin/sh\nTMPDIR=/tmp exec bin/queue-sendmail\n")
    assert answer(home) == 553
    (home.path / "bin/qmail-queue").unlink()
    (home.path / "bin/qmail-queue").symlink_to("queue-sendmail")
    assert answer(home) == 553
    assert answer(home, RELAYCLIENT="") == 250
