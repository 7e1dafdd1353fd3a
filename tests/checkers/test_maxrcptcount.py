"""MAXRCPTCOUNT (SPEC section 5, RCPT 6)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play

MAIL = "C: MAIL FROM:<s@sender.example>\nS: 250\n"


def rcpt(number: int, reply: str = "250", domain: str = "example.org") -> str:
    return f"C: RCPT TO:<u{number}@{domain}>\nS: {reply}\n"


def test_so_many_and_no_more() -> None:
    ending = play(
        MAIL + rcpt(1) + rcpt(2) + rcpt(3, "553 (#5.7.1)") + "C: DATA\nS: 354\nC: .\nS: 250", MAXRCPTCOUNT="2"
    )
    assert ending.queued[0].envelope == b"Fs@sender.example\0Tu1@example.org\0Tu2@example.org\0\0"


def test_foreign_recipients_do_not_count() -> None:
    play(MAIL + rcpt(1, "553", "evil.example") * 5 + rcpt(1) + rcpt(2, "553"), MAXRCPTCOUNT="1")


@pytest.mark.parametrize("value", ["0", "", "x"])
def test_no_limit(value: str) -> None:
    play(MAIL + "".join(rcpt(n) for n in range(120)), MAXRCPTCOUNT=value)


def test_it_counts_anew_for_each_message() -> None:
    play((MAIL + rcpt(1) + rcpt(2, "553")) * 3, MAXRCPTCOUNT="1")


def test_relay_clients_have_it_too() -> None:
    play(MAIL + rcpt(1) + rcpt(2, "553"), MAXRCPTCOUNT="1", RELAYCLIENT="")
