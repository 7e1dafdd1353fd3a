"""qmail-verify: what it answers when the directory works (SPEC section 8)."""

from __future__ import annotations

import os
import subprocess

import pytest

from ..support.home import Home
from ..support.processes import BIN, wait_until
from ..support.slapd import SUFFIX, Slapd
from .conftest import MakeHome
from .programs import Verifier, run, verify

NO_SUCH = b"Dno mailbox by that name here (#5.1.1)"
OFF = b"Dthe mailbox is disabled (#5.2.1)"
MALFORMED = b"Dthe address is not complete (#5.1.3)"
UNCLEAR = b"Zthe directory is not clear about this address (#4.3.0)"
AT = "@local.example.org"


@pytest.mark.parametrize(
    ("local", "answer"),
    [
        ("person0", b"K"),
        ("person1999", b"K"),
        ("PERSON7", b"K"),
        ("alias.person42", b"K"),
        ("person2000", NO_SUCH),
        ("disabled", OFF),
        ("disabled2", OFF),
        ("deleted", NO_SUCH),
        ("noaccess", b"K"),
        ("undefined", b"K"),
        ("oddstatus", b"K"),
        ("twostates", UNCLEAR),
        ("twin", UNCLEAR),
        ("crowd", UNCLEAR),
    ],
)
def test_one_address(home: Home, local: str, answer: bytes) -> None:
    assert verify(home, local + AT) == [answer]


@pytest.mark.parametrize("address", ["", "person0", "@", "@local.example.org", "@local.example.org@"])
def test_without_a_whole_address_nothing_is_searched(home: Home, server: Slapd, address: str) -> None:
    before = len(server.searches())
    expected = NO_SUCH if address.endswith("@") and len(address) > 1 else MALFORMED
    assert verify(home, address) == [expected]
    assert (len(server.searches()) == before) == (expected == MALFORMED)


def test_the_last_at_sign_divides(home: Home, server: Slapd) -> None:
    before = len(server.searches())
    assert verify(home, "a@b-c@local.example.org") == [NO_SUCH]
    asked = [text.split("=")[1].split(")")[0] for text in server.searches()[before:]]
    assert asked == ["a@b-c@local.example.org", "a@b-catchall@local.example.org", "catchall@local.example.org"]


@pytest.mark.parametrize(
    ("address", "tried"),
    [
        ("person0", ["person0"]),
        ("nobody", ["nobody", "catchall"]),
        ("a-x", ["a-x", "a-catchall", "catchall"]),
        ("b-x-y", ["b-x-y", "b-x-catchall", "b-catchall"]),
        ("a-b-c-d-x", ["a-b-c-d-x", "a-b-c-d-catchall"]),
        ("a-b-c-x", ["a-b-c-x", "a-b-c-catchall"]),
        ("a-b-c-d-e-f-g", ["a-b-c-d-e-f-g", "a-b-c-d-catchall"]),
        (
            "1-2-3-4-5-6",
            ["1-2-3-4-5-6", "1-2-3-4-catchall", "1-2-3-catchall", "1-2-catchall", "1-catchall", "catchall"],
        ),
        ("-x", ["-x", "-catchall"]),
        ("double--x", ["double--x", "double--catchall"]),
        ("x-", ["x-", "x-catchall", "catchall"]),
        ("z-catchall", ["z-catchall", "catchall"]),
        ("catchall", ["catchall"]),
    ],
)
def test_extensions_are_tried_most_specific_first(home: Home, server: Slapd, address: str, tried: list[str]) -> None:
    before = len(server.searches())
    (answer,) = verify(home, address + AT)
    assert server.searches()[before:] == [f"(|(mail={t}{AT})(mailAlternateAddress={t}{AT}))" for t in tried]
    assert answer == (NO_SUCH if tried[-1] == "catchall" else b"K")


@pytest.mark.parametrize("local", ["anybody", "x-y-z", "x-q", "q-x-y", "catchall"])
def test_a_catchall_takes_everybody(home: Home, local: str) -> None:
    assert verify(home, f"{local}@all.example.org") == [b"K"]


def test_the_status_of_a_catchall_counts(home: Home) -> None:
    assert verify(home, "off-course" + AT) == [OFF]


@pytest.mark.parametrize("domain", ["nick.example.org", "NICK.Example.Org"])
def test_an_alias_domain_is_replaced(make_home: MakeHome, server: Slapd, domain: str) -> None:
    home = make_home(
        aliasdomains="# nicknames\nother.example.org:elsewhere\nNick.example.org:real.example.org\nbroken\n"
    )
    before = len(server.searches())
    assert verify(home, f"aliased@{domain}") == [b"K"]
    assert verify(home, f"x-aliased@{domain}") == [NO_SUCH]
    assert all("@real.example.org" in text for text in server.searches()[before:])


@pytest.mark.parametrize(
    ("objectclass", "wrapped", "answer"),
    [
        ("qmailUser", "(&(objectClass=qmailUser){})", b"K"),
        ("organization", "(&(objectClass=organization){})", NO_SUCH),
        ("qmailUser)(accountStatus=active", "(&(objectClass=qmailUser)(accountStatus=active){})", b"K"),
        ("qmailUser)(!(accountStatus=active)", "(&(objectClass=qmailUser)(!(accountStatus=active)){})", NO_SUCH),
        ("(accountStatus=active)", "(&(accountStatus=active){})", b"K"),
        ("(|(objectClass=qmailUser)(cn=x))", "(&(|(objectClass=qmailUser)(cn=x)){})", b"K"),
    ],
)
def test_the_object_class_is_part_of_the_search(
    make_home: MakeHome, server: Slapd, objectclass: str, wrapped: str, answer: bytes
) -> None:
    home = make_home(ldapobjectclass=objectclass)
    before = len(server.searches())
    assert verify(home, "person3" + AT) == [answer]
    assert server.searches()[before] == wrapped.format(f"(|(mail=person3{AT})(mailAlternateAddress=person3{AT}))")


HOSTILE = [
    b"*" + AT.encode(),
    b"person*" + AT.encode(),
    b"x)(mail=*" + AT.encode(),
    b"person0)(objectClass=*" + AT.encode(),
    b"*)(uid=*))(|(uid=*" + AT.encode(),
    b"\\2a" + AT.encode(),
    b"person0\\" + AT.encode(),
    b"person0@*",
    b"person\xf6" + AT.encode(),
    b"\xff\xfe\x80" + AT.encode(),
    bytes(range(1, 256)) + AT.encode(),
    b"x" * 900 + AT.encode(),
    b"*" * 900 + AT.encode(),
]


@pytest.mark.parametrize("address", HOSTILE)
def test_no_byte_changes_the_search(home: Home, address: bytes) -> None:
    assert verify(home, address, b"person0" + AT.encode()) == [NO_SUCH, b"K"]


@pytest.mark.parametrize("local", ["has*star", "has(paren", "has\\backslash"])
def test_metacharacters_are_found_as_themselves(home: Home, local: str) -> None:
    assert verify(home, local + AT) == [b"K"]


def test_nul_ends_an_address(home: Home) -> None:
    assert verify(home, f"person0{AT}\0person1{AT}", f"nobody{AT}") == [b"K", b"K", NO_SUCH]


def test_answers_come_in_order_over_one_connection(home: Home, server: Slapd) -> None:
    before = server.connections()
    addresses = [f"person{n}{AT}" if n % 3 else f"nobody{n}{AT}" for n in range(300)]
    assert verify(home, *addresses) == [b"K" if n % 3 else NO_SUCH for n in range(300)]
    assert server.connections() == before + 1


def test_an_address_may_come_byte_by_byte(home: Home) -> None:
    with Verifier(home) as verifier:
        for byte in f"person0{AT}".encode():
            verifier.send(bytes([byte]))
        assert verifier.ask("") == b"K"
        verifier.send(b"person1")
        assert verifier.ask(f"{AT}\0nobody{AT}") == b"K"
        assert verifier.read() == NO_SUCH
        assert verifier.close() == 0


def test_an_idle_connection_is_closed_and_opened_again(make_home: MakeHome, own_server: Slapd) -> None:
    with own_server.running(), Verifier(make_home(ldapserver=own_server.host_port)) as verifier:
        assert verifier.ask("person0" + AT) == b"K"
        wait_until(lambda: own_server.closed() == 1, "the idle connection is closed")
        verifier.send(b"per")
        assert verifier.ask("son1" + AT) == b"K"
        assert verifier.ask("person2" + AT) == b"K"
        assert own_server.connections() == 2
        assert verifier.close() == 0


def test_it_ends_when_its_input_ends(home: Home) -> None:
    for data in (b"", b"person0@local"):
        done = run("qmail-verify", home, data)
        assert (done.returncode, done.stdout) == (0, b"")


def test_it_ends_when_nobody_listens(home: Home) -> None:
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen(
        [os.fspath(BIN / "qmail-verify")], stdin=subprocess.PIPE, stdout=write, env=home.env(), bufsize=0
    ) as process:
        os.close(write)
        assert process.stdin
        process.stdin.write(f"person0{AT}\0".encode())
        assert process.wait(30) == 1


@pytest.mark.parametrize("missing", ["ldapserver", "home"])
def test_without_controls_it_exits_100(make_home: MakeHome, missing: str) -> None:
    home = make_home(ldapserver=None if missing == "ldapserver" else "x")
    env = {"QMAILHOME": "/nonexistent"} if missing == "home" else {}
    done = run("qmail-verify", home, b"person0@x\0", **env)
    assert (done.returncode, done.stdout) == (100, b"")
    assert (b"/nonexistent" if missing == "home" else b"control/ldapserver") in done.stderr


@pytest.mark.parametrize(
    "name", ["ldapserver", "ldapbasedn", "ldaplogin", "ldapobjectclass", "ldaptimeout", "aliasdomains", "ldapcache"]
)
def test_an_unreadable_control_file_exits_100(home: Home, name: str) -> None:
    path = home.path / "control" / name
    path.unlink(missing_ok=True)
    path.mkdir()
    done = run("qmail-verify", home, b"person0@x\0")
    assert (done.returncode, done.stdout) == (100, b"")
    assert f"control/{name}: ".encode() in done.stderr


def test_an_unreadable_password_is_an_anonymous_bind(make_home: MakeHome) -> None:
    home = make_home(ldaplogin=f"cn=mail,{SUFFIX}")
    (home.path / "control" / "ldappassword").mkdir()
    assert verify(home, "person0" + AT) == [b"K"]


@pytest.mark.parametrize("server_line", ["{host}", "# first\n\n{host}\n", "{uri}", "{ldapi}", "{ldapi} {host}"])
def test_forms_of_a_server(make_home: MakeHome, server: Slapd, server_line: str) -> None:
    line = server_line.format(host=server.host_port, uri=server.uri, ldapi=server.ldapi)
    assert verify(make_home(ldapserver=line), "person0" + AT) == [b"K"]


def test_the_log_is_a_mask(home: Home) -> None:
    assert run("qmail-verify", home, b"twin@local.example.org\0", LOGLEVEL="").stderr == b""
    assert b"error: " in run("qmail-verify", home, b"twin@local.example.org\0", LOGLEVEL="1").stderr
    assert run("qmail-verify", home, b"twin@local.example.org\0", LOGLEVEL="4").stderr == b""
    done = run("qmail-verify", home, b"twin@local.example.org\0", LOGLEVEL="", DEBUGLEVEL="128")
    assert done.stderr and all(b": ldap: " in line for line in done.stderr.splitlines())


def test_no_line_of_the_log_can_be_forged(home: Home) -> None:
    done = run("qmail-verify", home, b"x\nqmail-verify 1: error: forged@local.example.org\0")
    assert all(
        line.startswith(b"qmail-verify ") and b" 1: error: forged" not in line[:40] for line in done.stderr.splitlines()
    )
    assert b"\\012" in done.stderr
