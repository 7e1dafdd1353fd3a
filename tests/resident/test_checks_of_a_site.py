"""What a check of the site does to the worker it runs in: others see nothing of it, and it keeps its worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.activation import Resident
from ..support.home import Home
from ..support.processes import wait_until
from .test_signals import greeted, members
from .test_workers import served, settled

CHECKER = """
import os
from qmail_smtpd.checker import Checker
class Mine(Checker):
    def mail(self, session, event):
        wanted = event.address.partition(b"@")[0]
        if wanted == b"print":
            print("of", event.address, "x" * 5000)
        if wanted == b"fork" and os.fork() == 0:
            os.dup2(os.open("/dev/null", os.O_RDWR), 0)
            os.dup2(0, 1)
        if wanted == b"leave" and os.fork() == 0:
            raise SystemExit
        if wanted == b"import":
            import asyncio, decimal, email, http.client, sqlite3, unittest.mock, xml.dom.minidom
def setup(config):
    return Mine()
"""


@pytest.fixture
def checked(home: Home) -> Home:
    module: Path = home.path / "mine.py"
    module.write_text(CHECKER)
    home.control("smtpcheckers", "mine\n")
    settled(module)
    return home


def deliver(resident: Resident, sender: str) -> None:
    with greeted(resident) as client:
        client.deliver(sender=f"{sender}@sender.example")
        client.quit()
    resident.wait_for_no_sessions()


def test_what_it_prints_is_for_the_log(checked: Home) -> None:
    """Python would collect it and send it in the middle of another session."""
    with Resident(checked) as resident:
        for _ in range(4):
            deliver(resident, "print")
            deliver(resident, "other")
        assert resident.log.count("of b'print@sender.example' xxx") == 4


@pytest.mark.parametrize("sender", ["fork", "leave"])
def test_its_fork_that_comes_back_is_no_worker(checked: Home, sender: str) -> None:
    """Nor does one that ends by an exception, as sys.exit is, say a word to the client."""
    with Resident(checked) as resident:
        for _ in range(3):
            deliver(resident, sender)
        wait_until(lambda: set(members(resident.pid)) == {resident.pid, *resident.workers()}, "nothing else is left")


def test_what_it_imports_is_no_growth(checked: Home, mode: str) -> None:
    """It is more than the program itself; a worker that ended for that would have to import it again and again."""
    with Resident(checked) as resident:
        for sender in ("other", "import", "other", "import"):
            deliver(resident, sender)
        assert "has grown" not in resident.log
        assert mode == "1\n" or len(set(served(resident))) <= 2
