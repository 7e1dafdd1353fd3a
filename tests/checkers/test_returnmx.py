"""RETURNMXCHECK, and the resolver of both DNS checks, over real name servers: SPEC section 9."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.checkers import returnmx
from qmail_smtpd.net import dnsname, resolver

from ..support.dns import Relay, port_of_both
from ..support.home import Home, codes
from ..support.processes import BIN, ROOT, program

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


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        (b"", []),
        (b"192.0.2.1", [(53, ["192.0.2.1"])]),
        (b" 192.0.2.1  192.0.2.2\t", [(53, ["192.0.2.1", "192.0.2.2"])]),
        (b"192.0.2.1:5353 192.0.2.2", [(5353, ["192.0.2.1"]), (53, ["192.0.2.2"])]),
        (b"2001:db8::1", [(53, ["2001:db8::1"])]),
        (b"[2001:db8::1]", [(53, ["2001:db8::1"])]),
        (b"[2001:db8::1]:54 192.0.2.1:54", [(54, ["2001:db8::1", "192.0.2.1"])]),
        (b"[::1]x [::1]: 1.2.3.4: 1.2.3.4:0 1.2.3.4:65536 1.2.3.4:-1 1.2.3.4:\xb2 x [ ] [] : \xff \0", []),
    ],
)
def test_nameservers(text: bytes, servers: list[tuple[int, list[str]]]) -> None:
    assert dnsname.nameservers(text) == servers


@given(st.binary())
def test_nameservers_of_anything(text: bytes) -> None:
    for port, ips in dnsname.nameservers(text):
        assert 0 < port < 65536 and ips and all(map(dnsname.is_ip, ips))


@given(st.text(alphabet=st.characters(max_codepoint=0x17F)))
def test_askable_names_survive_c_ares(name: str) -> None:
    """What is askable has only whole labels of visible ASCII, so that the question is about that very name."""
    if dnsname.askable(name):
        assert all(32 < ord(letter) < 127 and letter != "\\" for letter in name)
        assert all(0 < len(label) < 64 for label in name.removesuffix(".").split("."))


def test_trouble_of_our_own_defers(home: Home) -> None:
    done = subprocess.run(
        [program("prlimit"), "--nofile=5", str(BIN / "qmail-smtpd")],
        input=b"MAIL FROM:<u@mx.mail.test>\r\nQUIT\r\n",
        env=home.env(RETURNMXCHECK=""),
        capture_output=True,
        timeout=60,
    )
    assert codes(done.stdout) == [220, 451, 221]


@pytest.mark.parametrize(
    ("ip", "name"),
    [
        ("192.0.2.10", b"client.example.net"),
        ("192.0.2.11", b"delegated.example.net"),
        ("192.0.2.12", None),
        ("192.0.2.13", None),
        ("198.51.100.1", None),
        ("2001:db8::1", None),
        ("fe80::1%lo", None),
        ("unknown", None),
    ],
)
def test_host_name(zone_server: int, ip: str, name: bytes | None) -> None:
    assert resolver.host_name({b"DNSCACHEIP": b"127.0.0.1:%d" % zone_server}, ip, 10) == name


def test_inetd_name_by_dnscacheip(home: Home, zone_server: int) -> None:
    """On a socket without TCP* variables the client's name comes from the server that DNSCACHEIP names."""
    env = {
        "QMAILHOME": str(home.path),
        "DNSCACHEIP": f"127.0.0.1:{zone_server}",
        "LOGLEVEL": "2",
        "PATH": "/usr/bin:/bin",
    }
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


PRELOAD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from qmail_smtpd.checkers import dnsbl, returnmx
assert not {"asyncio", "aiodns", "pycares", "pydnsbl", "_socket"} & set(sys.modules), "imported too early"
descriptors = os.listdir("/proc/self/fd")
dnsbl.preload()
returnmx.preload()
assert {"asyncio", "aiodns", "pycares", "pydnsbl"} <= set(sys.modules)
assert os.listdir("/proc/self/task") == [str(os.getpid())], "a thread"
assert os.listdir("/proc/self/fd") == descriptors, "a descriptor"
from qmail_smtpd.net import rbllist
for _ in range(3):
    child = os.fork()
    if not child:
        said = rbllist.ask({b"DNSCACHEIP": sys.argv[2].encode()}, 10, "192.0.2.10", [b"listed.test", b"unlisted.test"])
        answers = [said[b"listed.test"].addresses, said[b"unlisted.test"].addresses]
        os._exit(0 if answers == [["127.0.0.2"], []] else 3)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_preload_and_fork(list_server: int) -> None:
    """In the isolated interpreter that the programs use."""
    argv = ["/usr/bin/python3", "-I", "-S", "-W", "error", "-c", PRELOAD, str(ROOT), f"127.0.0.1:{list_server}"]
    done = subprocess.run(argv, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
