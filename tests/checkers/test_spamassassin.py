"""SpamAssassin's own parser reads our trace header: who sent, by which name, whether authenticated."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ..support.home import Home
from ..support.processes import ROOT, program

SESSION = "{helo}MAIL FROM:<{sender}>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n"


def relay(home: Home, helo: str = "", sender: str = "s@sender.example", **env: str) -> dict[str, str]:
    """What SpamAssassin finds in a message received so."""
    assert home.smtp(SESSION.format(helo=helo, sender=sender), **env).returncode == 0
    (message,) = home.queued()
    return parsed(message.message)


def parsed(message: bytes) -> dict[str, str]:
    script = str(ROOT / "tests" / "support" / "relays.pl")
    run = subprocess.run([program("perl"), script], input=message, capture_output=True, check=True)
    (line,) = run.stdout.decode().splitlines()
    return dict(field.split("=", 1) for field in line.strip("[] ").split())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_with_helo(home: Home) -> None:
    found = relay(home, helo="HELO c.test\r\n")
    assert found["ip"] == "192.0.2.10"
    assert found["rdns"] == "client.example.net"
    assert found["helo"] == "c.test"
    assert found["by"] == "mx.example.org"
    assert found["envfrom"] == "s@sender.example"


def test_without_helo(home: Home) -> None:
    found = relay(home)
    assert (found["ip"], found["rdns"], found["by"]) == ("192.0.2.10", "client.example.net", "mx.example.org")
    assert found["helo"] == "client.example.net"  # none given counts as the same as the host


def test_a_bounce(home: Home) -> None:
    found = relay(home, helo="HELO c.test\r\n", sender="")
    assert (found["ip"], found["rdns"], found["helo"]) == ("192.0.2.10", "client.example.net", "c.test")


def test_a_host_without_a_name(home: Home) -> None:
    found = relay(home, helo="HELO c.test\r\n", TCPREMOTEHOST="unknown")
    assert (found["ip"], found["rdns"], found["helo"]) == ("192.0.2.10", "", "c.test")


def test_ipv6(home: Home) -> None:
    assert relay(home, helo="EHLO c.test\r\n", TCPREMOTEIP="2001:db8::7")["ip"] == "2001:db8::7"


def test_an_authenticated_user_is_the_ident(home: Home) -> None:
    home.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
    found = relay(home, helo="EHLO c.test\r\nAUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", SMTPAUTH="")
    assert (found["ident"], found["ip"], found["helo"]) == ("joe", "192.0.2.10", "c.test")


def test_over_tls() -> None:
    """The line that tests/test_tls.py finds in a message received over TLS."""
    from qmail_smtpd.smtp.client import Client
    from qmail_smtpd.smtp.received import trace_header

    client = Client({b"TCPREMOTEIP": b"192.0.2.10", b"TCPREMOTEHOST": b"h.example.net", b"TCPLOCALHOST": b"mx"})
    protocol = b"TLSv1.3 TLS_AES_256_GCM_SHA384 fingerprint=no certificate presented encrypted SMTP"
    header = trace_header(client, b"c.test", b"joe", b"s@sender.example", b"u@example.org", protocol, 0)
    found = parsed(header + b"Subject: x\n\nhi\n")
    assert (found["ip"], found["helo"], found["ident"], found["by"]) == ("192.0.2.10", "c.test", "joe", "mx")
