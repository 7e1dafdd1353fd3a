"""The hint that the resident mode would cost less: only where something dear is configured, and never a finding."""

from __future__ import annotations

import pytest

from qmail_smtpd.inspect import modes, settings
from qmail_smtpd.inspect.findings import Report
from qmail_smtpd.inspect.home import Home as Inspected

from ..support.home import Home


def hint(home: Home, monkeypatch: pytest.MonkeyPatch, **env: str) -> str:
    monkeypatch.chdir(home.path)
    report = Report()
    own = {name.encode(): value.encode() for name, value in env.items()}
    modes.judge(report, [settings.plain(own)], Inspected())
    assert not report.findings
    return "".join(report.hints)


def test_a_plain_configuration_gets_none(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hint(home, monkeypatch) == ""


def test_what_is_dear_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.control("smtpcert", "control/cert.pem\n")
    said = hint(home, monkeypatch, RCPTCHECK="", RBL="")
    assert said.startswith("hint: TLS, RCPTCHECK, RBL: ") and "RESIDENT MODE" in said


def test_who_has_workers_gets_none(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.control("sessionsperprocess", "100\n")
    assert hint(home, monkeypatch, RCPTCHECK="") == ""
