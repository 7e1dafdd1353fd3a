"""control/sessiontimeout ends a session that keeps talking; control/mindatarate is in force in DATA only."""

from __future__ import annotations

import pytest

from qmail_smtpd.smtp import rate

from ..logs.test_jsonlog import MAIL, RCPT
from ..support.dialog import Dialog
from ..support.home import Home


def test_a_busy_client_is_sent_away_when_its_time_is_over(home: Home) -> None:
    home.control("sessiontimeout", "1\n")
    with Dialog(home) as dialog:
        dialog.ask(None, 220)
        while dialog.replies[-1].startswith("2"):  # one NOOP a reply, for as long as it answers
            dialog.say("NOOP\r\n")
            assert dialog.hear()
    assert dialog.exit == 1
    assert dialog.replies[-1].startswith("421 ") and "(#4.4.2)" in dialog.replies[-1]
    assert "session lasted too long" in dialog.log


def test_it_also_ends_a_silent_session(home: Home) -> None:
    home.control("sessiontimeout", "1\n")
    with Dialog(home) as dialog:
        dialog.ask(None, 220)
        dialog.ask(None, 421)
        assert dialog.hear() == "", "the connection ends"
    assert dialog.exit == 1


def test_without_a_limit_there_is_none(home: Home) -> None:
    home.control("sessiontimeout", "0\n")
    assert home.smtp("NOOP\r\nQUIT\r\n").returncode == 0


class ImpatientPace(rate.Pace):
    """The same arithmetic with windows that pass at every block."""

    def too_slow(self, received: int, now: float) -> bool:
        self._since -= rate.WINDOW
        return super().too_slow(received, now)


def test_a_trickling_message_is_told_421(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, so that a minute can pass at once."""
    from ..support.inprocess import converse

    monkeypatch.setattr(rate, "Pace", ImpatientPace)
    pieces = [(MAIL + RCPT + "DATA\r\n").encode(), b"Subject: x\r\n", b"\r\n", b"body\r\n", b".\r\nQUIT\r\n"]
    ending = converse(pieces, control={"mindatarate": b"1000\n"})
    assert ending.output.endswith(b"(#4.4.2)\r\n") and b"\r\n421 " in ending.output
    assert ending.exit == 1
