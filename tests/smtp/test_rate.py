"""control/mindatarate: an average over each minute, no more and no less."""

from __future__ import annotations

from qmail_smtpd.smtp.rate import WINDOW, Pace


def test_no_verdict_before_a_window_has_passed() -> None:
    pace = Pace(100, now=0.0)
    assert not pace.too_slow(1, now=WINDOW - 0.1)


def test_too_few_bytes_in_a_window() -> None:
    assert Pace(100, now=0.0).too_slow(5999, now=WINDOW)


def test_just_enough_bytes_in_a_window() -> None:
    assert not Pace(100, now=0.0).too_slow(6000, now=WINDOW)


def test_each_window_counts_for_itself() -> None:
    pace = Pace(100, now=0.0)
    assert not pace.too_slow(1_000_000, now=WINDOW)
    assert pace.too_slow(10, now=2 * WINDOW)


def test_a_long_silence_is_measured_by_its_length() -> None:
    assert Pace(100, now=0.0).too_slow(6000, now=2 * WINDOW)


def test_no_minimum() -> None:
    assert not Pace(0, now=0.0).too_slow(0, now=10 * WINDOW)
