"""The table of clients: who counts, for what, and until when."""

from __future__ import annotations

import pytest

from qmail_smtpd.resident.slots import Slots
from qmail_smtpd.session import sitecheckers


def with_client(ip: bytes, most_per_address: int = 1) -> tuple[Slots, int]:
    """A table of one entry, which has a client."""
    slots = Slots(1, most_per_address)
    number = slots.reserve()
    assert number is not None and slots.admit(number, ip)
    return slots, number


def test_who_is_let_go_is_nearly_ready() -> None:
    slots, number = with_client(b"192.0.2.1")
    assert slots.crowded() and not slots.somebody_comes()
    slots.place(number).leave()
    assert slots.somebody_comes() and not slots.crowded() and slots.is_busy(number)
    assert slots.admit(number, b"192.0.2.1"), "its client may come again"


def test_a_check_of_a_site_may_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hook `ended` is called after the client has seen the end: meanwhile others need another worker."""
    slots, number = with_client(b"192.0.2.1")
    monkeypatch.setattr(sitecheckers, "have_run", True)
    slots.place(number).leave()
    assert slots.crowded() and not slots.somebody_comes()
    assert slots.address(number) == b"" and slots.admit(number, b"192.0.2.1")
    slots.leave(number)  # the worker itself, once the session is over
    assert slots.somebody_comes()
