"""TARPITCOUNT and TARPITDELAY (SPEC section 5, RCPT 9). The recordings have the waiting itself."""

from __future__ import annotations

import pytest

from ..support import inprocess
from ..support.inprocess import MemoryWire

MAIL = "C: MAIL FROM:<s@sender.example>\nS: 250\n"
RCPT = "C: RCPT TO:<u@example.org>\nS: 250\n"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client has to wait, in the order in which it waits."""
    waited: list[float] = []
    monkeypatch.setattr(MemoryWire, "sleep", lambda self, seconds: waited.append(seconds))
    return waited


def test_from_the_count_on(pauses: list[float]) -> None:
    inprocess.play(MAIL + RCPT * 4, TARPITCOUNT="2", TARPITDELAY="7")
    assert pauses == [7, 7, 7]


def test_the_usual_delay(pauses: list[float]) -> None:
    inprocess.play(MAIL + RCPT * 2, TARPITCOUNT="2")
    assert pauses == [5]


@pytest.mark.parametrize(
    "env", [{}, {"TARPITDELAY": "9"}, {"TARPITCOUNT": "0"}, {"TARPITCOUNT": "1", "TARPITDELAY": ""}]
)
def test_no_delay(pauses: list[float], env: dict[str, str]) -> None:
    inprocess.play(MAIL + RCPT * 3, **env)
    assert pauses == []


def test_refused_recipients_wait_for_nothing(pauses: list[float]) -> None:
    inprocess.play(MAIL + RCPT + "C: RCPT TO:<u@evil.example>\nS: 553\n" * 3, TARPITCOUNT="2")
    assert pauses == []


def test_it_counts_anew_for_each_message(pauses: list[float]) -> None:
    inprocess.play((MAIL + RCPT) * 3, TARPITCOUNT="2")
    assert pauses == []
