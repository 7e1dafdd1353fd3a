"""The name of a client's address: from /etc/hosts, else from a real name server."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmail_smtpd.logs.log import Log
from qmail_smtpd.net import hostname, peer

from ..support import dns
from ..support.home import Home, codes
from ..support.processes import BIN

REVERSE = (
    "10 PTR client.example.net.\n11 CNAME 11.0-63\n11.0-63 PTR delegated.example.net.\n12 PTR odd\\046name.example.\n"
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """DNSCACHEIP for the zones of 192.0.2.0/24 and 127.0.0.0/24."""
    zones: dict[str, str | None] = {"2.0.192.in-addr.arpa": REVERSE, "broken.test": None}
    zones["0.0.127.in-addr.arpa"] = "1 PTR loopback.example.net.\n"
    zones["8.b.d.0.1.0.0.2.ip6.arpa"] = f"1.{'0.' * 22}0 PTR six.example.net.\n"
    with dns.zones(tmp_path_factory.mktemp("zones"), zones) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hostname, "HOSTS", str(tmp_path / "hosts"))
    return tmp_path / "hosts"


@pytest.mark.parametrize(
    ("ip", "name"),
    [
        (b"192.0.2.10", b"client.example.net"),
        (b"192.0.2.11", b"delegated.example.net"),
        (b"2001:db8::1", b"six.example.net"),
        (b"192.0.2.12", None),
        (b"192.0.2.13", None),
        (b"198.51.100.1", None),
        (b"fe80::1%lo", None),
        (b"unknown", None),
    ],
)
def test_of_the_dns(servers: str, ip: bytes, name: bytes | None) -> None:
    assert hostname.host_name({b"DNSCACHEIP": servers.encode()}, ip, 10) == name


@pytest.mark.parametrize(
    ("ip", "name"),
    [
        (b"192.0.2.10", b"ten.example"),
        (b"::ffff:192.0.2.10", b"ten.example"),
        (b"192.0.2.1", b"one.example"),
        (b"2001:db8::1", b"six.example"),
        (b"192.0.2.30", None),
    ],
)
def test_of_the_hosts_file(hosts: Path, ip: bytes, name: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts.write_text(
        "# 192.0.2.10 remark.example\n192.0.2.100 other.example\n192.0.2.1\n192.0.2.10\tten.example alias # 1\n"
        "192.0.2.10 second.example\n  192.0.2.1 one.example\n2001:DB8:0:0::1 six.example\n192.0.2.30 an%odd%name\n"
    )
    assert hostname.host_name({}, ip, 10) == name


@pytest.mark.parametrize(
    ("ip", "name"),
    [
        (b"192.0.2.10", b"ten.example"),
        (b"192.0.2.20", b"twenty.example"),
        (b"192.0.2.30", b"thirty.example"),
        (b"2001:db8::1", b"six.example"),
    ],
)
def test_of_a_hosts_file_with_many_names(hosts: Path, ip: bytes, name: bytes) -> None:
    """Of two lines for one address the first counts, however it is written."""
    blocked = "".join(f"0.0.0.0 blocked{number}.example\n" for number in range(1000))
    hosts.write_text(
        f"::1 localhost\n{blocked}::ffff:c000:20a ten.example\n192.0.2.10 second.example\n{blocked}"
        f"192.0.2.20 twenty.example\n::ffff:c000:214 second.example\n2001:DB8::1 six.example\n192.0.2.30 thirty.example"
    )
    assert hostname.host_name({}, ip, 10) == name


def test_only_lines_of_the_hosts_file_that_may_name_the_address_are_read() -> None:
    text = b"0.0.0.0 a.example\n192.0.2.1 b.example\n0.0.0.0 c.example\n::1 d.example\n0.0.0.0 192.0.2.1"
    lines = [b"192.0.2.1 b.example", b"::1 d.example", b"0.0.0.0 192.0.2.1"]
    assert list(hostname._lines_with((b"192.0.2.1", b":"), text)) == lines


def test_the_hosts_file_plays_no_part_with_dnscacheip(hosts: Path, servers: str) -> None:
    hosts.write_text("192.0.2.10 ten.example\n")
    assert hostname.host_name({b"DNSCACHEIP": servers.encode()}, b"192.0.2.10", 10) == b"client.example.net"


def test_without_a_hosts_file_the_dns_is_asked(hosts: Path, servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = hostname.Resolver({b"DNSCACHEIP": servers.encode()}, 10)
    monkeypatch.setattr(hostname, "Resolver", lambda env, seconds: own)
    assert hostname.host_name({}, b"192.0.2.10", 10) == b"client.example.net"


def test_under_inetd(home: Home, servers: str) -> None:
    """On a socket without TCP* variables the client's name comes from the server that DNSCACHEIP names."""
    env = {"QMAILHOME": str(home.path), "DNSCACHEIP": servers, "LOGLEVEL": "2", "PATH": "/usr/bin:/bin"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
        with client, served:
            client.sendall(b"QUIT\r\n")
            done = subprocess.run(
                [str(BIN / "qmail-smtpd")], env=env, stdin=served, stdout=served, stderr=subprocess.PIPE, timeout=60
            )
            client.settimeout(30)
            assert codes(client.recv(1024)) == [220, 221]
    assert b"connection from 127.0.0.1 (loopback.example.net)" in done.stderr


def test_what_keeps_us_from_asking_is_told(
    hosts: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A client whose name cannot be looked up has none."""
    hosts.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        served, _ = listener.accept()
        with served:
            env: dict[bytes, bytes] = {}
            saved = os.dup(0)
            os.dup2(served.fileno(), 0)
            try:
                assert peer.describe_socket(env, Log(b"test", 1))
            finally:
                os.dup2(saved, 0)
                os.close(saved)
    assert env[b"TCPREMOTEIP"] == b"127.0.0.1" and b"TCPREMOTEHOST" not in env
    assert "cannot look up the name of 127.0.0.1: IsADirectoryError" in capfd.readouterr().err
