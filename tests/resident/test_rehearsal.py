"""The sessions that the parent holds with itself (resident/rehearsal.py)."""

from __future__ import annotations

import pytest

from qmail_smtpd import checkers
from qmail_smtpd.resident import rehearsal
from qmail_smtpd.resident.state import descriptors


def test_each_queues_a_message_and_nobody_else_sees_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    envelopes = []

    class Queue(rehearsal._NoQueue):
        def finish(self, envelope, still_there=lambda: True):  # type: ignore[no-untyped-def]
            envelopes.append(b"".join(envelope))
            return super().finish(iter(()), still_there)

    monkeypatch.setattr(rehearsal, "_NoQueue", Queue)
    before = descriptors()
    rehearsal.rehearse(checkers.configured)
    assert envelopes == [b"Fsender@example.net\0Trecipient@example.org\0"] * rehearsal.TIMES
    assert descriptors() == before
    assert capfd.readouterr() == ("", "")
