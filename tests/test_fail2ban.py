"""contrib/fail2ban/qmail-smtpd.conf finds failed authentications, and nothing that a client can make up."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from .support.home import Home
from .support.processes import ROOT, program

FILTER = ROOT / "contrib" / "fail2ban" / "qmail-smtpd.conf"
DENY = "#!/bin/sh\nprintf D\n"
STAMP = "2026-11-23 10:00:00.000000000 "


def found_by_filter(log: str, folder: Path) -> list[str]:
    """The addresses that fail2ban's own tool finds in a log."""
    file = folder / "log"
    file.write_text(log)
    run = subprocess.run(
        [program("fail2ban-regex"), "-o", "<ip>", str(file), str(FILTER)], capture_output=True, text=True, check=False
    )
    return run.stdout.split()


def log_of(home: Home, user: str, **env: str) -> str:
    credentials = base64.b64encode(f"\0{user}\0secret".encode("latin1")).decode()
    run = home.smtp(f"AUTH PLAIN {credentials}\r\nQUIT\r\n", SMTPAUTH="", LOGLEVEL="2", **env)
    return "".join(STAMP + line + "\n" for line in run.stderr.decode().splitlines())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.program("auth_smtp", DENY)
    return home


def test_a_failed_authentication_is_found_with_its_address(home: Home, tmp_path: Path) -> None:
    log = log_of(home, "joe", TCPREMOTEIP="198.51.100.7")
    assert "authentication failed from 198.51.100.7, user joe" in log
    assert "secret" not in log
    assert found_by_filter(log, tmp_path) == ["198.51.100.7"]


def test_ipv6_is_found(home: Home, tmp_path: Path) -> None:
    assert found_by_filter(log_of(home, "joe", TCPREMOTEIP="2001:db8::7"), tmp_path) == ["2001:db8::7"]


def test_a_user_name_cannot_pass_for_another_address(home: Home, tmp_path: Path) -> None:
    name = "x\nqmail-smtpd 1: authentication failed from 203.0.113.9, user y"
    log = log_of(home, name, TCPREMOTEIP="198.51.100.7")
    assert "203.0.113.9" in log
    assert found_by_filter(log, tmp_path) == ["198.51.100.7"]


@pytest.mark.parametrize("stamp", [STAMP, "@400000006924f0f02a3b4c5d ", "Nov 24 10:00:00 mx ", ""])
def test_an_address_cannot_pass_for_a_failure(home: Home, tmp_path: Path, stamp: str) -> None:
    """The log has what the client calls itself, senders and recipients."""
    forged = "qmail-smtpd 1: authentication failed from 203.0.113.9, user x"
    said = (
        f"EHLO {forged}\r\nMAIL FROM:<{forged}@far.example>\r\nRCPT TO:<{forged}@far.example>\r\n{forged}\r\nQUIT\r\n"
    )
    logged = home.smtp(said, LOGLEVEL="4").stderr.decode().splitlines()
    assert any("203.0.113.9" in line for line in logged)
    assert found_by_filter("".join(f"{stamp}{line}\n" for line in logged), tmp_path) == []


def test_the_line_as_syslog_writes_it(tmp_path: Path) -> None:
    line = "2026-11-23T10:00:00 mx qmail-smtpd[4711]: authentication failed from 198.51.100.7, user joe: 535 no\n"
    assert found_by_filter(line, tmp_path) == ["198.51.100.7"]


def test_later_sessions_of_a_process(home: Home, tmp_path: Path) -> None:
    """Their ID has a number more; an address in it would be no ID."""
    log = log_of(home, "joe", TCPREMOTEIP="198.51.100.7")
    later = log.replace(": ", ".2: ")
    assert later != log
    assert found_by_filter(later, tmp_path) == ["198.51.100.7"]
    assert found_by_filter(log.replace(": ", ".2.3: "), tmp_path) == []


def test_success_and_other_lines_are_left_alone(home: Home, tmp_path: Path) -> None:
    home.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
    log = log_of(home, "joe")
    assert "authentication success" in log
    assert found_by_filter(log, tmp_path) == []


def test_trouble_of_ours_bans_nobody(home: Home, tmp_path: Path) -> None:
    """The directory is down: the same customer, the right password, 454."""
    home.program("auth_smtp", "#!/bin/sh\nexit 111\n")
    outage = log_of(home, "joe", TCPREMOTEIP="198.51.100.7")
    home.program("auth_smtp", DENY)
    wrong = log_of(home, "joe: 454 no", TCPREMOTEIP="198.51.100.8")
    assert ", user joe: 454 " in outage
    assert found_by_filter(outage + wrong, tmp_path) == ["198.51.100.8"]
