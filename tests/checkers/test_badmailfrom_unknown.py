"""control/badmailfrom-unknown: for hosts without a name (SPEC section 5, MAIL 7)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play

LISTED = {"badmailfrom-unknown": b"@free.example\nuser@\n"}


@pytest.mark.parametrize("host", ["unknown", "Unknown"])
@pytest.mark.parametrize("sender", ["a@free.example", "user@x.example"])
def test_a_host_without_a_name(sender: str, host: str) -> None:
    play(f"C: MAIL FROM:<{sender}>\nS: 553 (#5.7.1)\nC: MAIL FROM:<a@x.example>\nS: 250", LISTED, TCPREMOTEHOST=host)


def test_a_host_with_a_name() -> None:
    play("C: MAIL FROM:<a@free.example>\nS: 250", LISTED, TCPREMOTEHOST="mail.free.example")


def test_goodmailfrom_excuses() -> None:
    control = {**LISTED, "goodmailfrom": b"a@free.example\n"}
    play(
        "C: MAIL FROM:<a@free.example>\nS: 250\nC: MAIL FROM:<b@free.example>\nS: 553", control, TCPREMOTEHOST="unknown"
    )
