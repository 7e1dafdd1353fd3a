"""A child that a check of the site forks, and that comes back from it: it is ended, or two processes would answer the
client, and its message would be queued twice."""

from __future__ import annotations

import pytest

from ..support.home import Home, codes
from ..support.site_checker import write

SAID = (
    "EHLO client.example.net\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"
    "Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"
)
MAIL = "def mail(self, session, event):\n    pass\n"
FORK = "    import os\n    child = os.fork() == 0\n"


def delivers_once(home: Home) -> bool:
    session = home.smtp(SAID)
    assert codes(session.stdout) == [220, 250, 250, 250, 354, 250, 221], session.stderr
    return len(home.queued()) == 1


@pytest.mark.parametrize("end", ["pass", "1 / (not child)"], ids=["returns", "raises"])
@pytest.mark.parametrize("hook", ["connect", "mail", "rcpt", "block", "message"])
def test_from_a_hook(home: Home, hook: str, end: str) -> None:
    write(home, f"def {hook}(self, session, event):\n{FORK}    {end}")
    assert delivers_once(home)


@pytest.mark.parametrize("hook", ["release", "ended"])
def test_from_a_hook_at_the_end(home: Home, hook: str) -> None:
    write(home, f"{MAIL}def {hook}(self):\n{FORK}")
    assert delivers_once(home)


def test_from_setup(home: Home) -> None:
    write(home, MAIL, setup=f"def setup(config):\n{FORK}    return Site()")
    assert delivers_once(home)
