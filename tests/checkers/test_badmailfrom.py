"""control/badmailfrom: `user@host`, `@host`, `user@` (SPEC section 5, MAIL 6)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play

LISTED = {"badmailfrom": b"spam@one.example\n@evil.example\nbulk@\n# no@comment.example\n\nlast@line.example"}


@pytest.mark.parametrize(
    "sender",
    [
        "spam@one.example",
        "SPAM@One.Example",
        "any@evil.example",
        r"\@evil.example",
        "bulk@anywhere.example",
        "bulk@",
        "last@line.example",
    ],
)
def test_refused(sender: str) -> None:
    play(f"C: MAIL FROM:<{sender}>\nS: 553 (#5.7.1)", LISTED)


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "ham@one.example",
        "spam@sub.one.example",
        "any@sub.evil.example",
        "any@evil.example.org",
        "bulk",
        "xbulk@a.example",
        "no@comment.example",
        "# no@comment.example",
        "line.example",
    ],
)
def test_welcome(sender: str) -> None:
    play(f"C: MAIL FROM:<{sender}>\nS: 250", LISTED)


def test_the_log_names_the_line() -> None:
    ending = play("C: MAIL FROM:<any@evil.example>\nS: 553", LISTED)
    assert any(b"control/badmailfrom:2" in line for line in ending.log)
