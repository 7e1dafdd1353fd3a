"""SANITYCHECK: what a sender has to look like (SPEC section 5, MAIL 9)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play


@pytest.mark.parametrize("sender", ["user", r"\@host.example", "user@", "user@host", r"\@", "user@nodot@", "a.b"])
def test_refused(sender: str) -> None:
    play(f"C: MAIL FROM:<{sender}>\nS: 554", SANITYCHECK="")
    play(f"C: MAIL FROM:<{sender}>\nS: 250")


@pytest.mark.parametrize(
    "sender", ["user@host.example", "", "#@[]", "a@b@c.d", "user@[127.0.0.2]", "user@.", "u@host."]
)
def test_welcome(sender: str) -> None:
    play(f"C: MAIL FROM:<{sender}>\nS: 250", SANITYCHECK="")
