"""control/badrcptto: recipients that get no mail from here (SPEC section 5, RCPT 4)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play

LISTED = {"badrcptto": b"gone@example.org\n@closed.example.org\nroot@\n"}
MAIL = "C: MAIL FROM:<s@sender.example>\nS: 250\n"


@pytest.mark.parametrize(
    "recipient", ["gone@example.org", "Gone@Example.Org", "x@closed.example.org", "root@example.org", "root@"]
)
@pytest.mark.parametrize("env", [{}, {"RELAYCLIENT": ""}], ids=["anybody", "a relay client"])
def test_refused(recipient: str, env: dict[str, str]) -> None:
    play(
        f"{MAIL}C: RCPT TO:<{recipient}>\nS: 553 (#5.7.1)",
        {**LISTED, "rcpthosts": b"example.org\n.example.org\n"},
        **env,
    )


@pytest.mark.parametrize("recipient", ["here@example.org", "gone@sub.example.org", "xroot@example.org"])
def test_welcome(recipient: str) -> None:
    play(f"{MAIL}C: RCPT TO:<{recipient}>\nS: 250", {**LISTED, "rcpthosts": b"example.org\n.example.org\n"})


def test_the_address_is_looked_up_as_it_came() -> None:
    """The value of RELAYCLIENT is appended later."""
    play(f"{MAIL}C: RCPT TO:<gone@example.org>\nS: 553", LISTED, RELAYCLIENT="x")
