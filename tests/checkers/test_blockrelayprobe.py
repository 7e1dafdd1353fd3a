"""BLOCKRELAYPROBE: no routing in the local part (SPEC section 5, RCPT 3)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play

MAIL = "C: MAIL FROM:<s@sender.example>\nS: 250\n"


@pytest.mark.parametrize(
    "recipient",
    ["a%b@example.org", "b!a@example.org", "a@b@example.org", "a%b", "a!b", "@@example.org", "%@example.org"],
)
def test_refused(recipient: str) -> None:
    play(
        f"{MAIL}C: RCPT TO:<x@example.org>\nS: 250\nC: RCPT TO:<{recipient.replace('@@', 'y@@')}>\nS: 553 (#5.7.1)",
        BLOCKRELAYPROBE="",
    )


@pytest.mark.parametrize("recipient", ["a@example.org", "user", "a-b+c@example.org"])
def test_welcome(recipient: str) -> None:
    play(f"{MAIL}C: RCPT TO:<{recipient}>\nS: 250", BLOCKRELAYPROBE="")


def test_in_the_domain_it_does_not_matter() -> None:
    play(f"{MAIL}C: RCPT TO:<a@b%c>\nS: 250", BLOCKRELAYPROBE="", RELAYCLIENT="")


def test_without_the_switch() -> None:
    play(f"{MAIL}C: RCPT TO:<a%b@example.org>\nS: 250")
