"""control/goodmailfrom: which checks it switches off, and which not (SPEC section 5, MAIL 5)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play

GOOD = {"goodmailfrom": b"good@evil.example\n@nodot\npartner@\n"}


@pytest.mark.parametrize("sender", ["good@evil.example", "GOOD@evil.EXAMPLE", "x@nodot", "partner@evil.example"])
@pytest.mark.parametrize(("name", "text"), [("badmailfrom", b"@evil.example\n@nodot\n"), ("badmailpatterns", b"*\n")])
def test_excused(sender: str, name: str, text: bytes) -> None:
    play(f"C: MAIL FROM:<{sender}>\nS: 250", {**GOOD, name: text})
    play(f"C: MAIL FROM:<{sender}>\nS: 553", {name: text})


def test_excused_from_sanitycheck() -> None:
    play("C: MAIL FROM:<x@nodot>\nS: 250", GOOD, SANITYCHECK="")
    play("C: MAIL FROM:<x@nodot>\nS: 554", SANITYCHECK="")


def test_others_are_not() -> None:
    play("C: MAIL FROM:<bad@evil.example>\nS: 553", {**GOOD, "badmailfrom": b"@evil.example\n"})


def test_the_excuse_ends_with_the_transaction() -> None:
    play(
        "C: MAIL FROM:<good@evil.example>\nS: 250\nC: MAIL FROM:<bad@evil.example>\nS: 553",
        {**GOOD, "badmailfrom": b"@evil.example\n"},
    )


@pytest.mark.parametrize(
    ("env", "said", "reply"),
    [
        ({"AUTHREQUIRED": ""}, "", "530"),
        ({"DATABYTES": "10"}, " SIZE=11", "552 (#5.3.4)"),
    ],
)
def test_not_excused(env: dict[str, str], said: str, reply: str) -> None:
    play(f"C: MAIL FROM:<good@evil.example>{said}\nS: {reply}", GOOD, **env)


def test_no_bounces_all_the_same() -> None:
    play("C: MAIL FROM:<>\nS: 554", {"goodmailfrom": b"@\n"}, NOBOUNCE="")
