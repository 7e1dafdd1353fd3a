"""A bounce has one recipient (SPEC section 5, RCPT 7)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play


@pytest.mark.parametrize("sender", ["", "#@[]"])
def test_a_second_recipient(sender: str) -> None:
    ending = play(
        f"""
        C: MAIL FROM:<{sender}>
        S: 250
        C: RCPT TO:<u@evil.example>
        S: 553
        C: RCPT TO:<u@example.org>
        S: 250
        C: RCPT TO:<v@example.org>
        S: 550 (#5.7.1)
        C: DATA
        S: 354
        C: .
        S: 250
        """
    )
    assert ending.queued[0].envelope == b"F%b\0Tu@example.org\0\0" % sender.encode()


def test_others_may_have_many() -> None:
    recipients = "".join(f"C: RCPT TO:<u{n}@example.org>\nS: 250\n" for n in range(50))
    play(f"C: MAIL FROM:<s@x.example>\nS: 250\n{recipients}")


def test_each_bounce_has_its_own() -> None:
    one = "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<u@example.org>\nS: 250\n"
    play(one + one)


def test_a_second_recipient_counts_although_it_is_refused() -> None:
    """For MAXRCPTCOUNT (SPEC section 13), which is asked before this check."""
    play(
        """
        C: MAIL FROM:<>
        S: 250
        C: RCPT TO:<a@example.org>
        S: 250
        C: RCPT TO:<b@example.org>
        S: 550
        C: RCPT TO:<c@example.org>
        S: 553
        """,
        MAXRCPTCOUNT="2",
    )
