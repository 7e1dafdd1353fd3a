"""RETURNMXCHECK, over real name servers: SPEC section 9."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from qmail_smtpd.checkers import returnmx

from ..support.dns import Relay, port_of_both
from ..support.home import Home, codes
from ..support.processes import BIN, program

Check = Callable[..., int]


@pytest.fixture
def check(home: Home, zone_server: int) -> Check:
    """The reply code for a MAIL; the name server is nsd unless `servers` says otherwise. The session goes on."""

    def run(sender: str, servers: str = "", **env: str) -> int:
        text = f"MAIL FROM:<{sender}>\r\nNOOP\r\nQUIT\r\n"
        done = home.smtp(text, RETURNMXCHECK="", DNSCACHEIP=servers or f"127.0.0.1:{zone_server}", **env)
        assert b"Traceback" not in done.stderr and b"failed at" not in done.stderr, done.stderr
        first, code, *rest = codes(done.stdout)
        assert (first, rest, done.returncode) == (220, [250, 221], 0), done.stdout
        if code == 421:
            assert b"(#4.3.0)" in done.stdout and b"cannot look up" in done.stderr
        return code

    return run


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("mx", 250),
        ("MX", 250),
        ("mx6", 250),
        ("address", 250),
        ("address6", 250),
        ("nowhere", 554),
        ("empty", 554),
        ("null", 554),
        ("nullplus", 250),
        ("missing", 554),
        ("second", 250),
        ("toempty", 554),
        ("soft", 421),
        ("softgood", 250),
        ("refused", 421),
        ("cname", 250),
        ("cnamehost", 250),
        ("cnamemx", 250),
        ("dangling", 554),
        ("literal", 250),
        ("many", 250),
        ("odd_name", 250),
        ("oddmx", 554),
    ],
)
def test_domains(check: Check, name: str, code: int) -> None:
    assert check(f"u@{name}.mail.test") == code


@pytest.mark.parametrize(
    ("domain", "code"),
    [
        ("mx.mail.test.", 250),
        ("broken.test", 421),
        ("elsewhere.test", 421),
        ("", 554),
        (".", 554),
        ("..", 554),
        ("mx..mail.test", 554),
        (".mx.mail.test", 554),
        ("l" * 64 + ".mail.test", 554),
        ("l." * 130 + "mail.test", 554),
        ("m\xfcller.mail.test", 554),
        ("mx .mail.test", 554),
        ('"mx mail.test"', 554),
        ("\\\\109x.mail.test", 554),
        ("[mx.mail.test]", 554),
    ],
)
def test_odd_domains(check: Check, domain: str, code: int) -> None:
    assert check(f"u@{domain}") == code


@pytest.mark.parametrize(
    "sender",
    ["", "#@[]", "nobody", "u@[192.0.2.99]", "u@192.0.2.99", "u@[IPv6:2001:db8::99]", "u@2001:db8::99"],
)
def test_senders_that_pass_unasked(check: Check, sender: str) -> None:
    with Relay(0) as relay:
        assert check(sender, f"127.0.0.1:{relay.port}") == 250
        assert not relay.names


def test_relay_clients_are_checked_and_good_senders_are_not(check: Check, home: Home) -> None:
    assert check("u@nowhere.mail.test", RELAYCLIENT="") == 554
    home.control("goodmailfrom", "u@nowhere.mail.test\n")
    assert check("u@nowhere.mail.test") == 250


def test_silence(check: Check, zone_server: int) -> None:
    """One good host is enough, whatever the others do; without one it is temporary, and soon."""
    with Relay(zone_server) as relay, ThreadPoolExecutor() as pool:
        names = ["silentgood.mail.test", "silentmx.mail.test", "mx.silent"]
        found = pool.map(lambda name: check(f"u@{name}", f"127.0.0.1:{relay.port}"), names)
        assert list(found) == [250, 421, 421]


def test_hosts_are_asked_at_once_and_not_without_end(check: Check, zone_server: int) -> None:
    with Relay(zone_server) as relay:
        assert check("u@silentgood.mail.test", f"127.0.0.1:{relay.port}") == 250
        assert {"host.silent.mail.test", "mail.mail.test"} <= set(relay.names)
    with Relay(zone_server) as relay:
        assert check("u@twenty.mail.test", f"127.0.0.1:{relay.port}") == 554
        assert len(set(relay.names)) == 1 + returnmx.MOST_HOSTS


@pytest.mark.parametrize(
    "servers",
    [
        "127.0.0.1:{port}",
        "[::1]:{port}",
        "127.0.0.1:{dead} 127.0.0.1:{port}",
        "127.0.0.1:{silent} [::1]:{port}",
        "[::1]:{dead}\t[::1]:{port} 127.0.0.1:{port}",
        "localhost 300.1.1.1 127.0.0.1:x 127.0.0.1: 127.0.0.1:70000 [::1]x :: :: 127.0.0.1:{port}",
    ],
)
def test_dnscacheip(check: Check, zone_server: int, servers: str) -> None:
    """Servers are tried in turn: a refusing one, a silent one, words that are no server."""
    words = servers.replace(":: :: ", "")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        text = words.format(port=zone_server, dead=port_of_both(), silent=silent.getsockname()[1])
        assert check("u@mx.mail.test", text) == 250
        assert check("u@nowhere.mail.test", text) == 554


def test_trouble_of_our_own_defers(home: Home, zone_server: int) -> None:
    """There is a descriptor for one question, but not for two."""
    done = subprocess.run(
        [program("prlimit"), "--nofile=4", str(BIN / "qmail-smtpd")],
        input=b"MAIL FROM:<u@mx.mail.test>\r\nQUIT\r\n",
        env=home.env(RETURNMXCHECK="", DNSCACHEIP=f"127.0.0.1:{zone_server}"),
        capture_output=True,
        timeout=60,
    )
    assert codes(done.stdout) == [220, 451, 221]
    assert b"checker returnmx failed at mail: OSError: [Errno 24]" in done.stderr
