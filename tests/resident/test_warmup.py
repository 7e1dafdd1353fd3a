"""The sessions that the parent holds with itself (resident/warmup.py)."""

from __future__ import annotations

import pytest

from qmail_smtpd import main
from qmail_smtpd.resident import warmup
from qmail_smtpd.resident.state import descriptors


def test_each_queues_a_message_and_nobody_else_sees_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    envelopes = []

    class Queue(warmup._NoQueue):
        def finish(self, envelope, still_there=lambda: True):  # type: ignore[no-untyped-def]
            envelopes.append(b"".join(envelope))
            return super().finish(iter(()), still_there)

    monkeypatch.setattr(warmup, "_NoQueue", Queue)
    before = descriptors()
    warmup.warm_up(main.converse)
    assert envelopes == [b"Fsender@example.net\0Trecipient@example.org\0"] * warmup.TIMES
    assert descriptors() == before
    assert capfd.readouterr() == ("", "")
