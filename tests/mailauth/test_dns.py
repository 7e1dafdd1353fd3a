"""mailauth/dns.py: the deadline that all questions of a message share."""

from __future__ import annotations

import pytest

from qmail_smtpd.mailauth.dns import Temporary, bounded


def test_until_the_deadline_questions_are_asked_and_after_it_none_is():
    now = 100.0
    asked = []

    def lookup(name, rtype):
        asked.append((name, rtype))
        return [b"answer"]

    ask = bounded(lookup, 105.0, lambda: now)
    assert ask(b"example.org", "TXT") == [b"answer"]
    now = 105.0
    with pytest.raises(Temporary):
        ask(b"example.org", "TXT")
    assert asked == [(b"example.org", "TXT")]
