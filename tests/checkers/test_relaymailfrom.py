"""control/relaymailfrom: senders that may relay, for one transaction (SPEC section 5, MAIL 10; section 13)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play

LISTED = {"relaymailfrom": b"boss@road.example\n@branch.example\nuser@\n"}


@pytest.mark.parametrize("sender", ["boss@road.example", "BOSS@Road.Example", "any@branch.example"])
def test_relays(sender: str) -> None:
    play(f"C: MAIL FROM:<{sender}>\nS: 250\nC: RCPT TO:<u@far.example>\nS: 250", LISTED)


@pytest.mark.parametrize("sender", ["clerk@road.example", "any@sub.branch.example", "user@x.example", "", "user@"])
def test_does_not_relay(sender: str) -> None:
    """The form `user@` is none here."""
    text = f"C: MAIL FROM:<{sender}>\nS: 250\nC: RCPT TO:<u@far.example>\nS: " + ("250" if sender == "user@" else "553")
    play(text, LISTED)


@pytest.mark.parametrize("between", ["MAIL FROM:<s@x.example>", "RSET", "EHLO x", "DATA"])
def test_the_right_ends_with_the_transaction(between: str) -> None:
    """RSET, EHLO, another MAIL, the message: each ends it."""
    message = "S: 354\nC: x\nC: .\n" if between == "DATA" else ""
    ending = play(
        f"""
        C: MAIL FROM:<boss@road.example>
        S: 250
        C: RCPT TO:<u@far.example>
        S: 250
        C: {between}
        {message}S: 250
        C: MAIL FROM:<s@x.example>
        S: 250
        C: RCPT TO:<u@far.example>
        S: 553 (#5.7.1)
        """,
        LISTED,
    )
    assert len(ending.queued) == (between == "DATA")


def test_a_refused_sender_has_no_right() -> None:
    play(
        """
        C: MAIL FROM:<s@x.example>
        S: 250
        C: MAIL FROM:<boss@road.example>
        S: 553
        C: RCPT TO:<u@far.example>
        S: 553
        """,
        {**LISTED, "badmailfrom": b"boss@\n"},
    )


def test_an_existing_relayclient_keeps_its_value() -> None:
    ending = play(
        "C: MAIL FROM:<boss@road.example>\nS: 250\nC: RCPT TO:<u@far.example>\nS: 250\nC: DATA\nS: 354\nC: .\nS: 250",
        LISTED,
        RELAYCLIENT=".suffix",
    )
    assert ending.queued[0].envelope == b"Fboss@road.example\0Tu@far.example.suffix\0\0"
