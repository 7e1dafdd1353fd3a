"""qmail-smtpd-check --user: root can read everything, the user who runs the receiver cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ..support.checked import check, run
from ..support.home import Home


@pytest.mark.root
def test_root_looks_as_another_user(public_folder: Path) -> None:
    home = Home(public_folder / "asked")
    home.control("badmailfrom", "x@y.example\n").chmod(0o640)
    assert [one for one in check(home).findings if "Permission denied" in one] == []
    for user in ("nobody", "65534"):
        checked = check(home, "--user", user)
        assert checked.has("error", "control/badmailfrom", "Permission denied; every session that needs it gets 421")


def test_a_user_that_nobody_can_be(home: Home) -> None:
    done = run(home, "--user", "nobody-of-that-name")
    assert (done.returncode, done.stdout) == (100, "")
    assert "there is no user nobody-of-that-name" in done.stderr


def test_oneself_can_everybody_be(home: Home) -> None:
    assert run(home, "--user", str(os.geteuid())).returncode == 0
