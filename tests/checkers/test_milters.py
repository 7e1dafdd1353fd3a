"""control/smtpmilters in whole sessions: what milters are told, what clients hear, and what is queued."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qmail_smtpd.filters import milter

from ..filters.client import closed_port
from ..support import site_checker
from ..support.fake_milter import CLOSE, CONTINUE, FakeMilter, answer
from ..support.fake_policy import FakePolicy
from ..support.home import Home, codes

ONE = (
    "EHLO client.example.net\r\nMAIL FROM:<s@sender.example> SIZE=50 AUTH=<>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"
    "Subject: first\r\nX-Two: a\r\nX-Two: b\r\n\r\n..dots\r\nlast\r\n.\r\n"
)
QUIT = "QUIT\r\n"
PASSED = [220, 250, 250, 250, 354, 250, 221]
REJECT, DISCARD = [answer(milter.REJECT)], [answer(milter.DISCARD)]


def use(home: Home, *fakes: FakeMilter | str, options: str = "") -> None:
    """fake1, fake2... are the milters of the home."""
    addresses = [fake if isinstance(fake, str) else fake.address for fake in fakes]
    lines = [f"fake{number} {address} {options}\n" for number, address in enumerate(addresses, 1)]
    home.control("smtpmilters", "".join(lines))


def test_what_a_milter_is_told(home: Home) -> None:
    with FakeMilter(steps=milter.LEADING_SPACE) as fake:
        use(home, fake)
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
    assert fake.letters() == b"OCHMRTLLLNBEQ"
    assert fake.told(milter.CONNECT) == [(b"client.example.net", b"4", 54321, b"192.0.2.10")]
    assert fake.told(milter.MAIL) == [((b"<s@sender.example>", b"SIZE=50", b"AUTH=<>"),)]
    assert fake.told(milter.RCPT) == [((b"<u@example.org>",),)]
    assert fake.told(milter.HEADER) == [(b"Subject", b" first"), (b"X-Two", b" a"), (b"X-Two", b" b")]
    assert fake.body() == b".dots\r\nlast\r\n"
    assert fake.macros(milter.CONNECT) == {
        b"j": b"mx.example.org",
        b"v": b"qmail-smtpd-py",
        b"{daemon_name}": b"mx.example.org",
        b"{daemon_port}": b"25",
        b"{client_addr}": b"192.0.2.10",
        b"{client_name}": b"client.example.net",
        b"{client_ptr}": b"client.example.net",
        b"{client_port}": b"54321",
        b"{if_addr}": b"192.0.2.1",
        b"{if_name}": b"mx.example.org",
    }
    mail = fake.macros(milter.MAIL)
    assert mail.pop(b"i") == fake.macros(milter.END_OF_BODY)[b"i"]
    assert mail == {
        b"{mail_addr}": b"s@sender.example",
        b"{mail_host}": b"sender.example",
        b"{mail_mailer}": b"smtp",
    }
    assert fake.macros(milter.RCPT) == {
        b"{rcpt_addr}": b"u@example.org",
        b"{rcpt_host}": b"example.org",
        b"{rcpt_mailer}": b"smtp",
        b"{nrcpts}": b"0",
    }


@pytest.mark.parametrize(
    ("ip", "host", "told"),
    [
        ("2001:db8::1", "unknown", (b"[2001:db8::1]", b"6", 54321, b"2001:db8::1")),
        ("unknown", "unknown", (b"[unknown]", b"U")),
    ],
)
def test_clients_without_a_name_or_an_address(home: Home, ip: str, host: str, told: Any) -> None:
    with FakeMilter() as fake:
        use(home, fake)
        home.smtp(QUIT, TCPREMOTEIP=ip, TCPREMOTEHOST=host)
    assert fake.told(milter.CONNECT) == [told]


def test_every_edit_is_carried_out(home: Home) -> None:
    edits = [
        answer(milter.ADD_HEADER, b"X-End", b"e"),
        answer(milter.INSERT_HEADER, 0, b"X-Top", b"t"),
        answer(milter.INSERT_HEADER, 1, b"X-Below", b"b"),
        answer(milter.CHANGE_HEADER, 1, b"subject", b"changed"),
        answer(milter.CHANGE_HEADER, 2, b"X-Two", b""),
        answer(milter.CHANGE_HEADER, 1, b"X-New", b"n\nm"),
        answer(milter.ADD_RCPT, b"<more@elsewhere.example>"),
        answer(milter.DELETE_RCPT, b"<u@example.org>"),
        answer(milter.CHANGE_FROM, (b"<new@sender.example>",)),
        answer(milter.REPLACE_BODY, b"new\r\nbody\r\n"),
        answer(milter.QUARANTINE, b"odd"),
        CONTINUE,
    ]
    with FakeMilter({milter.END_OF_BODY: edits}) as fake:
        use(home, fake)
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
    (queued,) = home.queued()
    assert (queued.sender, queued.recipients) == ("new@sender.example", ["more@elsewhere.example"])
    top, _, rest = queued.message.partition(b"Received: ")
    assert top == b"X-Quarantine: odd\nX-Top: t\n"
    assert rest.split(b"-0000\n", 1)[1] == (
        b"X-Below: b\nsubject: changed\nX-Two: a\nX-End: e\nX-New: n\n\tm\n\nnew\nbody\n"
    )


def test_each_milter_sees_what_the_ones_before_it_made(home: Home) -> None:
    first_edits = [
        answer(milter.ADD_HEADER, b"X-First", b"1"),
        answer(milter.REPLACE_BODY, b"replaced\r\n"),
        answer(milter.CHANGE_HEADER, 1, b"Subject", b""),
        CONTINUE,
    ]
    with FakeMilter({milter.END_OF_BODY: first_edits}) as first, FakeMilter() as second:
        use(home, first, second)
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
    assert second.told(milter.HEADER) == [(b"X-Two", b"a"), (b"X-Two", b"b"), (b"X-First", b"1")]
    assert second.body() == b"replaced\r\n"


def test_several_messages(home: Home) -> None:
    with FakeMilter() as fake:
        use(home, fake)
        said = ONE + "MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nRSET\r\n" + ONE.partition("\r\n")[2] + QUIT
        assert codes(home.smtp(said).stdout) == [220, 250, 250, 250, 354, 250, 250, 250, 250, 250, 250, 354, 250, 221]
    assert fake.letters() == b"OCH" + b"MRTLLLNBE" + b"MRA" + b"MRTLLLNBE" + b"Q"
    assert len(home.queued()) == 2


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (milter.HELO, [220, 550, 550, 503, 503, 221]),
        (milter.MAIL, [220, 250, 550, 503, 503, 221]),
        (milter.RCPT, [220, 250, 250, 550, 503, 221]),
        (milter.DATA, [220, 250, 250, 250, 550, 221]),
        (milter.HEADER, [220, 250, 250, 250, 354, 550, 221]),
        (milter.BODY, [220, 250, 250, 250, 354, 550, 221]),
        (milter.END_OF_BODY, [220, 250, 250, 250, 354, 550, 221]),
    ],
)
def test_refusals(home: Home, command: bytes, expected: list[int]) -> None:
    said = ONE if 354 in expected else ONE.partition("DATA\r\n")[0] + "DATA\r\n"
    with FakeMilter({command: REJECT}) as fake:
        use(home, fake)
        done = home.smtp(said + QUIT)
    assert codes(done.stdout) == expected
    assert b"550 refused by a filter (#5.7.1) (control/smtpmilters:1)" in done.stderr
    assert not home.queued()


@pytest.mark.parametrize(
    ("packet", "greeting"),
    [
        (answer(milter.REJECT), b"554 refused by a filter (#5.7.1)\r\n"),
        (answer(milter.TEMPFAIL), b"421 deferred by a filter, try again later (#4.7.1)\r\n"),
        (answer(milter.REPLY_CODE, b"550 5.7.1 go away"), b"554 5.7.1 go away\r\n"),
        (answer(milter.REPLY_CODE, b"450-4.7.1 not\r\n450 4.7.1 now"), b"421-4.7.1 not\r\n421 4.7.1 now\r\n"),
        (answer(milter.SHUTDOWN), b"421 session ended by a filter, try again later (#4.7.1)\r\n"),
    ],
)
def test_refusals_at_the_connection(home: Home, packet: bytes, greeting: bytes) -> None:
    with FakeMilter({milter.CONNECT: [packet]}) as fake:
        use(home, fake)
        done = home.smtp("EHLO x\r\n" + QUIT)
    assert done.stdout.startswith(greeting)
    assert codes(done.stdout)[1:] == [503, 221]
    assert done.returncode == 0


def test_shutdown_ends_the_session(home: Home) -> None:
    with FakeMilter({milter.MAIL: [answer(milter.SHUTDOWN)]}) as fake:
        use(home, fake)
        done = home.smtp(ONE)
    assert codes(done.stdout) == [220, 250, 421]
    assert done.returncode == 1


@pytest.mark.parametrize("command", [*b"CHMRTLNBE"])
def test_discard_is_told_to_nobody(home: Home, command: int) -> None:
    with FakeMilter({bytes([command]): DISCARD}) as fake:
        use(home, fake)
        done = home.smtp(ONE + QUIT)
    assert codes(done.stdout) == PASSED
    assert not home.queued()
    assert b"message discarded by fake1: from <s@sender.example>" in done.stderr


def test_no_recipients_is_a_discard(home: Home) -> None:
    edits = [answer(milter.DELETE_RCPT, b"<U@EXAMPLE.ORG>"), answer(milter.DELETE_RCPT, b"<u@example.org>"), CONTINUE]
    with FakeMilter({milter.END_OF_BODY: edits}) as fake:
        use(home, fake)
        done = home.smtp(ONE + QUIT)
    assert codes(done.stdout) == PASSED
    assert not home.queued()
    assert b"message discarded by fake1" in done.stderr


@pytest.mark.parametrize(("default", "code"), [("tempfail", 451), ("reject", 550), ("accept", 250)])
def test_dying_in_the_middle_of_a_new_body(home: Home, default: str, code: int) -> None:
    """Nothing half done is queued; where its default lets the message pass, that is the client's own."""
    edits = [answer(milter.ADD_HEADER, b"X-Half", b"1"), answer(milter.REPLACE_BODY, b"half"), b"\0\0\1\0bhal", CLOSE]
    with FakeMilter({milter.END_OF_BODY: edits}) as fake:
        use(home, fake, options=f"default={default}")
        done = home.smtp(ONE + QUIT)
    assert codes(done.stdout) == [220, 250, 250, 250, 354, code, 221]
    assert b"filter fake1 failed: it has closed the connection" in done.stderr
    assert [queued.message.partition(b"\n\n")[2] for queued in home.queued()] == [b".dots\nlast\n"] * (code == 250)
    assert all(b"X-Half" not in queued.message for queued in home.queued())


@pytest.mark.parametrize(
    ("default", "expected"),
    [("tempfail", [421, 221]), ("reject", [554, 221]), ("accept", [220, 221])],
)
def test_one_that_cannot_be_reached(home: Home, default: str, expected: list[int]) -> None:
    use(home, f"inet:127.0.0.1:{closed_port()}", options=f"default={default}")
    done = home.smtp(QUIT, LOGLEVEL="1")
    assert codes(done.stdout) == expected
    assert b"filter fake1 failed: Connection refused" in done.stderr


def test_refused_recipients_are_told_to_who_asks(home: Home) -> None:
    home.control("badrcptto", "bad@example.org\n")
    said = "EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<bad@example.org>\r\nRCPT TO:<u@example.org>\r\n"
    said += "RCPT TO:<x@elsewhere.example>\r\n"
    with FakeMilter(steps=milter.REFUSED_RCPTS) as asks, FakeMilter() as asks_not:
        use(home, asks, asks_not)
        assert codes(home.smtp(said + QUIT).stdout) == [220, 250, 250, 553, 250, 553, 221]
    assert [fields[0][0] for fields in asks.told(milter.RCPT)] == [
        b"<bad@example.org>",
        b"<u@example.org>",
        b"<x@elsewhere.example>",
    ]
    assert asks.macros(milter.RCPT)[b"{rcpt_mailer}"] == b"error"
    assert [fields[0][0] for fields in asks_not.told(milter.RCPT)] == [b"<u@example.org>"]


def test_one_recipient_refused_by_a_milter(home: Home) -> None:
    said = ONE.replace("RCPT TO:<u@example.org>\r\n", "RCPT TO:<a@example.org>\r\nRCPT TO:<u@example.org>\r\n")
    with FakeMilter({milter.RCPT: [REJECT, [CONTINUE]]}, steps=milter.REFUSED_RCPTS) as fake:
        use(home, fake)
        assert codes(home.smtp(said + QUIT).stdout) == [220, 250, 250, 550, 250, 354, 250, 221]
    assert fake.letters() == b"OCHMRRTLLLNBEQ"
    assert home.queued()[0].recipients == ["u@example.org"]


def test_unknown_commands(home: Home) -> None:
    with FakeMilter({milter.UNKNOWN: [REJECT, [CONTINUE]]}) as fake:
        use(home, fake)
        assert codes(home.smtp("ETRN x\r\nFOO\r\n" + QUIT).stdout) == [220, 550, 502, 221]
    assert fake.told(milter.UNKNOWN) == [(b"ETRN x",), (b"FOO",)]


# Who is asked


@pytest.mark.parametrize(
    ("value", "told"), [("", (False, False)), ("fake2", (True, False)), ("x, fake1", (False, True))]
)
def test_nomilters(home: Home, value: str, told: tuple[bool, bool]) -> None:
    with FakeMilter() as first, FakeMilter() as second:
        use(home, first, second)
        assert codes(home.smtp(ONE + QUIT, NOMILTERS=value).stdout) == PASSED
    assert (bool(first.sessions), bool(second.sessions)) == told


def test_for_clients_that_may_not_relay(home: Home) -> None:
    with FakeMilter() as fake:
        use(home, fake, options="for=untrusted")
        assert codes(home.smtp(ONE + QUIT, RELAYCLIENT="").stdout) == PASSED
        assert not fake.sessions
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
        assert len(fake.sessions) == 1


def test_for_authenticated_clients(home: Home) -> None:
    """It is asked only then, hears CONNECT and HELO first, and who has authenticated and how."""
    home.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
    said = ONE + "AUTH PLAIN AGpvZQBwYXNz\r\n" + ONE.partition("\r\n")[2].replace("AUTH=<>", "AUTH=joe@x") + QUIT
    with FakeMilter() as fake:
        use(home, fake, options="for=authenticated")
        done = home.smtp(said, SMTPAUTH="")
        assert codes(done.stdout) == [220, 250, 250, 250, 354, 250, 235, 250, 250, 354, 250, 221], done.stderr
    assert fake.letters() == b"OCHMRTLLLNBEQ"
    assert fake.told(milter.HELO) == [(b"client.example.net",)]
    macros = fake.macros(milter.MAIL)
    assert macros[b"{auth_authen}"] == b"joe"
    assert macros[b"{auth_type}"] == b"PLAIN"
    assert macros[b"{auth_author}"] == b"joe@x"


# Operators


def test_shadow_asks_and_does_nothing(home: Home) -> None:
    edits = [answer(milter.ADD_HEADER, b"X-End", b"e"), answer(milter.CHANGE_FROM, (b"<n@x.example>",)), CONTINUE]
    scripts: list[dict[bytes, Any]] = [{milter.END_OF_BODY: edits}, {milter.MAIL: REJECT}, {milter.RCPT: DISCARD}]
    with FakeMilter(scripts[0]) as first, FakeMilter(scripts[1]) as second, FakeMilter(scripts[2]) as third:
        use(home, first, second, third)
        done = home.smtp(ONE + QUIT, SHADOW="fake1 fake2,fake3", LOGLEVEL="1")
    assert codes(done.stdout) == PASSED
    (queued,) = home.queued()
    assert b"X-End" not in queued.message and queued.sender == "s@sender.example"
    assert b"shadow fake1 would edit: add X-End: e" in done.stderr
    assert b"shadow fake1 would edit: change sender n@x.example" in done.stderr
    assert b"shadow fake2 would refuse: 550 refused by a filter (#5.7.1) (control/smtpmilters:2)" in done.stderr
    assert done.stderr.count(b"shadow fake3 would discard") == 1


def test_the_json_log_has_verdicts_and_times(home: Home) -> None:
    edits = [answer(milter.ADD_HEADER, b"X-End", b"e"), CONTINUE]
    with FakeMilter({milter.END_OF_BODY: edits}) as first, FakeMilter({milter.END_OF_BODY: REJECT}) as second:
        use(home, first, second)
        done = home.smtp(ONE + QUIT, LOGFORMAT="json")
    lines = [json.loads(line) for line in done.stderr.split(b"\n") if line]
    (message,) = [line for line in lines if line["event"] == "message"]
    told = [(one["filter"], one["verdict"], one.get("edits")) for one in message["results"]]
    assert told == [("fake1", "pass", 1), ("fake2", "reject", 0)]
    (session,) = [line for line in lines if line["event"] == "session"]
    assert [one["filter"] for one in session["results"]] == ["fake1", "fake2"]  # at the connection and HELO
    assert all(one["ms"] > 0 for one in message["results"])
    assert message["refusals"][0]["check"] == "fake2"


@pytest.mark.parametrize("command", [milter.CONNECT, milter.HELO, milter.MAIL, milter.RCPT, milter.DATA])
def test_the_json_log_tells_what_came_to_no_message(home: Home, command: bytes) -> None:
    with FakeMilter({command: REJECT}) as fake:
        use(home, fake)
        done = home.smtp(ONE.partition("Subject")[0] + QUIT, LOGFORMAT="json")
    lines = [json.loads(line) for line in done.stderr.split(b"\n") if line]
    (session,) = [line for line in lines if line["event"] == "session"]
    assert session["results"][-1]["verdict"] == "reject"
    assert all(one["filter"] == "fake1" and one["ms"] > 0 for one in session["results"])


@pytest.mark.parametrize("line", ["fake", "fake tcp:x:1", "fake unix:/x default=maybe", "fake unix:/x\nfake unix:/y"])
def test_a_malformed_line_is_fatal(home: Home, line: str) -> None:
    home.control("smtpmilters", line + "\n")
    for env in ({}, {"NOMILTERS": ""}):
        done = home.smtp(QUIT, **env)
        assert codes(done.stdout) == [421]
        assert b"control/smtpmilters:" in done.stderr
        assert done.returncode == 1


def test_without_milters_nothing_of_them_is_imported(home: Home) -> None:
    home.control("smtpmilters", "")
    assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
    assert home.queued()


def test_shadow_goes_on_with_the_next_message(home: Home) -> None:
    """One refusal is one line, and no reason not to be asked again."""
    with FakeMilter({milter.RCPT: REJECT}) as fake:
        use(home, fake)
        done = home.smtp(ONE + ONE + QUIT, SHADOW="fake1", LOGLEVEL="1")
    assert fake.letters().count(b"MR") == 2
    assert done.stderr.count(b"would refuse") == 2
    assert len(home.queued()) == 2


def test_what_plugins_decide_is_told_before_data(home: Home) -> None:
    """A plugin that accepts has the last word about a command; the milter still sees the whole message."""
    home.control("smtpplugins", "[mail]\n:echo O\n[rcpt]\n:echo O\n")
    with FakeMilter() as fake:
        use(home, fake)
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
    assert fake.letters() == b"OCHMRTLLLNBEQ"
    assert fake.told(milter.RCPT) == [((b"<u@example.org>",),)]
    with FakeMilter({milter.RCPT: REJECT}) as refuses:
        use(home, refuses)
        assert codes(home.smtp(ONE.partition("Subject")[0] + QUIT).stdout) == [220, 250, 250, 250, 550, 221]


def test_fields_of_policies_are_shown_and_those_of_dns_lists_are_not(home: Home) -> None:
    with FakePolicy("PREPEND X-Grey: yes") as policy, FakeMilter() as fake:
        use(home, fake)
        home.control("smtppolicies", f"grey {policy.address}\n")
        checker = "def rcpt(self, session, event):\n    session.transaction.headers.append(b'X-RBL: listed\\n')"
        site_checker.write(home, checker)
        assert codes(home.smtp(ONE + QUIT).stdout) == PASSED
    assert [name for name, _ in fake.told(milter.HEADER)] == [b"X-Grey", b"Subject", b"X-Two", b"X-Two"]
    assert home.queued()[0].message.startswith(b"X-Grey: yes\nX-RBL: listed\nReceived: ")
