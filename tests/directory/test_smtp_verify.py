"""RCPTCHECK and SENDERCHECK through SMTP against a real directory (SPEC section 8)."""

from __future__ import annotations

import pytest

from ..support.dialog import Dialog
from ..support.home import Home, codes
from ..support.processes import free_port, stop
from ..support.slapd import Slapd
from .conftest import MakeHome
from .test_faults import silent

AT = "@local.example.org"
CHECKED = {"RCPTCHECK": "", "SENDERCHECK": ""}


@pytest.fixture
def linked(make_home: MakeHome) -> Home:
    home = make_home()
    home.link("qmail-verify")
    return home


def recipients(home: Home, *addresses: str, **env: str) -> list[int]:
    """The codes for these recipients in one pipelined session."""
    lines = ["MAIL FROM:<s@far.example>", *(f"RCPT TO:<{address}>" for address in addresses), "QUIT"]
    done = home.smtp("".join(line + "\r\n" for line in lines), **{"RCPTCHECK": "", **env})
    greeting, mail, *replies, end = codes(done.stdout)
    assert (greeting, mail, end) == (220, 250, 221), done.stdout
    return replies


def senders(home: Home, value: str, *addresses: str, **env: str) -> list[int]:
    """The codes for these senders with this SENDERCHECK."""
    lines = [*(f"MAIL FROM:<{address}>" for address in addresses), "QUIT"]
    done = home.smtp("".join(line + "\r\n" for line in lines), SENDERCHECK=value, **env)
    return codes(done.stdout)[1:-1]


CASES = {
    "person0": 250,
    "alias.person1": 250,
    "nobody": 554,
    "disabled": 554,
    "deleted": 554,
    "noaccess": 250,
    "twin": 451,
    "twostates": 451,
    "a-b-c-d-e-f": 250,
    "b-x": 250,
    "x-y": 554,
    "has*star": 250,
    "*": 554,
    "x)(mail=*": 554,
    "person\xf6": 554,
    "x" * 860: 554,
}


def test_recipients(linked: Home) -> None:
    assert dict(zip(CASES, recipients(linked, *(local + AT for local in CASES)), strict=True)) == CASES


def test_others_are_not_asked_about(linked: Home, server: Slapd) -> None:
    before = len(server.searches())
    assert recipients(linked, "nobody@example.org", "nobody@elsewhere.example") == [250, 553]
    assert len(server.searches()) == before


def test_the_enhanced_codes(linked: Home) -> None:
    tried = "".join(f"RCPT TO:<{local}{AT}>\r\n" for local in ("nobody", "disabled", "twin"))
    done = linked.smtp(f"MAIL FROM:<s@far.example>\r\n{tried}", **CHECKED)
    lines = done.stdout.splitlines()[2:]
    assert [line[:3] + line[line.rindex(b" ") :] for line in lines] == [
        b"554 (#5.1.1)",
        b"554 (#5.2.1)",
        b"451 (#4.3.0)",
    ]


def test_a_whole_message(linked: Home) -> None:
    def data(subject: str) -> str:
        return f"DATA\r\nSubject: {subject}\r\n\r\n.\r\n"

    done = linked.smtp(
        f"MAIL FROM:<person1{AT}>\r\nRCPT TO:<nobody{AT}>\r\nRCPT TO:<person2{AT}>\r\n{data('x')}"
        f"MAIL FROM:<person2{AT}>\r\nRCPT TO:<person1{AT}>\r\n{data('y')}QUIT\r\n",
        **CHECKED,
    )
    assert codes(done.stdout) == [220, 250, 554, 250, 354, 250, 250, 250, 354, 250, 221]
    assert [message.recipients for message in linked.queued()] == [["person2" + AT], ["person1" + AT]]


GOOD = [
    ("nobody@local.example.org", "nobody", 250),
    ("NOBODY@Local.example.org", "nobody", 250),
    ("@local.example.org", "nobody", 250),
    ("nobody@", "nobody", 250),
    ("x-catchall@local.example.org", "x-y", 250),
    ("x-y-catchall@local.example.org", "x-y-z-q", 250),
    ("1-2-3-4-catchall@local.example.org", "1-2-3-4-5-6", 250),
    ("1-2-3-4-5-catchall@local.example.org", "1-2-3-4-5-6", 554),
    ("catchall@local.example.org", "nobody-at-all", 250),
    ("other@local.example.org", "nobody", 554),
    ("@other.example.org", "nobody", 554),
]


@pytest.mark.parametrize(("line", "local", "code"), GOOD)
def test_goodmailaddr(linked: Home, server: Slapd, line: str, local: str, code: int) -> None:
    linked.control("goodmailaddr", line + "\n")
    before = len(server.searches())
    assert recipients(linked, local + AT) == [code]
    assert (len(server.searches()) == before) == (code == 250)


def test_senders(linked: Home) -> None:
    linked.control("goodmailaddr", "good@far.example\n")
    ours = ["person0" + AT, "nobody" + AT, "twin" + AT, ""]
    assert senders(linked, "", *ours, "x@example.org", "x@far.example", "x") == [250, 554, 451, 250, 250, 250, 250]
    assert senders(linked, "LOOSE", *ours, "x@example.org", "x@far.example", "x") == [250, 554, 451, 250, 250, 554, 250]
    assert senders(linked, "strict", *ours, "x@example.org", "x@far.example", "x") == [
        250,
        554,
        451,
        250,
        554,
        554,
        554,
    ]
    assert senders(linked, "STRICT", "good@far.example") == [250]


@pytest.mark.parametrize("softok", [False, True])
def test_when_the_server_is_down(linked: Home, softok: bool) -> None:
    host = f"127.0.0.1:{free_port()}"
    linked.control("ldapserver", host)
    env = {"LDAPSOFTOK": ""} if softok else {}
    trouble = 250 if softok else 451
    assert recipients(linked, "person0" + AT, "person1" + AT, **env) == [trouble, trouble]
    done = linked.smtp(f"MAIL FROM:<person0{AT}>\r\nNOOP\r\nQUIT\r\n", **CHECKED, **env)
    assert codes(done.stdout) == [220, trouble, 250, 221]
    assert f"error: ldap://{host}: connect: ".encode() in done.stderr


def test_a_server_that_is_killed_in_mid_session(own_server: Slapd, make_home: MakeHome) -> None:
    home = make_home(ldapserver=own_server.host_port)
    home.link("qmail-verify")
    with own_server.running() as process, Dialog(home, RCPTCHECK="") as session:
        session.ask(None, 220)
        session.ask("MAIL FROM:<s@far.example>", 250)
        session.ask(f"RCPT TO:<person0{AT}>", 250)
        stop(process)
        session.ask(f"RCPT TO:<person1{AT}>", 451)
        with own_server.running():
            session.ask(f"RCPT TO:<person1{AT}>", 250)
            session.ask(f"RCPT TO:<nobody{AT}>", 554)
        session.ask("QUIT", 221)


@pytest.mark.parametrize("softok", [False, True])
def test_a_server_that_hangs(make_home: MakeHome, softok: bool) -> None:
    with silent() as hanging:
        home = make_home(ldapserver=f"127.0.0.1:{hanging.port}", ldaptimeout="1")
        home.link("qmail-verify")
        env = {"LDAPSOFTOK": ""} if softok else {}
        assert recipients(home, "person0" + AT, **env) == [250 if softok else 451]


def test_without_controls(linked: Home) -> None:
    (linked.path / "control" / "ldapserver").unlink()
    assert recipients(linked, "person0" + AT, "person1" + AT) == [451, 451]
    assert recipients(linked, "person0" + AT, LDAPSOFTOK="") == [250]


def test_a_thousand_recipients_over_one_connection(linked: Home, server: Slapd) -> None:
    before = server.connections()
    addresses = [f"person{n}{AT}" if n % 10 else f"nobody{n}{AT}" for n in range(1000)]
    assert recipients(linked, *addresses) == [250 if n % 10 else 554 for n in range(1000)]
    assert server.connections() == before + 1


def test_with_the_cache_an_outage_is_not_noticed(linked: Home) -> None:
    linked.control("ldapcache", "600")
    assert recipients(linked, "person0" + AT, "nobody" + AT) == [250, 554]
    linked.control("ldapserver", f"127.0.0.1:{free_port()}")
    assert recipients(linked, "person0" + AT, "nobody" + AT, "person1" + AT) == [250, 554, 451]
