"""bin/qmail-smtpd-explain: it says what a session would say, and why."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..mailauth.zones import lookup_in
from ..support.certificates import Pki, install
from ..support.home import Home, codes
from ..support.nameserver import NameServer
from ..support.processes import BIN, program
from ..support.signed import key_record, signed
from ..support.zone import served

CLIENT = ("--ip", "192.0.2.10", "--host", "client.example.net")
VERIFY = """#!/usr/bin/python3 -IS
import os
answers = {b"you@local.example.org": b"K", b"nobody@local.example.org": b"Dno such user (#5.1.1)\\0"}
while address := os.read(0, 4096):
    os.write(1, answers.get(address.rstrip(b"\\0"), b"Ztrouble\\0"))
"""

CHECKER = """
from qmail_smtpd.checker import Checker, reject
def setup(config):
    return Mine()
class Mine(Checker):
    def helo(self, session, event):
        return reject(b"go") if b"x" in event.name else None
"""


def run(home: Home, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(home.path), **(env or {})}
    argv = [str(BIN / "qmail-smtpd-explain"), *arguments]
    return subprocess.run(argv, env=clean, capture_output=True, text=True, timeout=60, check=False)


class Told:
    """A run with --json: every check by (command, name)."""

    def __init__(
        self, home: Home, sender: str, *recipients: str, options: tuple[str, ...] = CLIENT, **env: str
    ) -> None:
        to = [word for one in recipients for word in ("--to", one)]
        done = run(home, *options, "--from", sender, *to, "--json", env=env)
        self.code = done.returncode
        self.all: dict[str, Any] = json.loads(done.stdout)
        assert self.all["result"] == ("accepted", "refused", "deferred")[self.code]
        self.steps: list[dict[str, Any]] = self.all["steps"]
        self.replies = [step["code"] for step in self.steps]

    def check(self, verb: str, name: str) -> tuple[str, str | None]:
        """What a check said to the (last) command with this verb, and because of what."""
        step = [one for one in self.steps if one["command"].startswith(verb)][-1]
        found = next(one for one in step["checks"] if one["check"] == name)
        return found["said"], found["reason"]


def test_accepted(home: Home) -> None:
    told = Told(home, "a@b.example", "you@example.org", "me@local.example.org")
    assert told.code == 0
    assert told.replies == [220, 250, 250, 250]
    assert told.check("RCPT TO:<you", "rcpthosts") == ("accepts", "control/rcpthosts:1")
    assert told.check("RCPT TO:<me", "rcpthosts") == ("accepts", "control/locals:1")


def test_the_line_that_refuses(home: Home) -> None:
    home.control("badmailfrom", "# bad\nx@y.example\n@spam.example\n")
    told = Told(home, "a@spam.example", "you@example.org")
    assert told.code == 1
    assert told.replies == [220, 553]
    assert told.check("MAIL", "badmailfrom") == ("refuses", "control/badmailfrom:3")
    assert told.all["notes"] == ["not sent, since the client is refused before: RCPT TO:<you@example.org>"]


def test_checks_after_a_refusal_and_those_that_are_excused(home: Home) -> None:
    home.control("badmailfrom", "@spam.example\n")
    told = Told(home, "a@spam.example", "you@example.org", NOBOUNCE="", SANITYCHECK="")
    assert told.check("MAIL", "nobounce") == ("not asked", None)
    home.control("goodmailfrom", "#\n@spam.example\n")
    told = Told(home, "a@spam.example", "you@example.org", NOBOUNCE="", SANITYCHECK="")
    assert told.code == 0
    assert told.check("MAIL", "goodmailfrom") == ("passes", "control/goodmailfrom:2")
    assert told.check("MAIL", "badmailfrom") == ("skipped", "control/goodmailfrom:2")
    assert told.check("MAIL", "sanitycheck") == ("skipped", "control/goodmailfrom:2")
    assert told.check("MAIL", "nobounce") == ("passes", None)


def test_a_variable_that_refuses_is_named_with_its_rule(home: Home) -> None:
    rules = home.path / "tcp.smtp"
    rules.write_text('# x\n10.:allow,RELAYCLIENT=""\n192.:allow,NOBOUNCE=""\n')
    told = Told(home, "", "you@example.org", options=(*CLIENT, "--rules", str(rules)))
    assert told.check("MAIL", "nobounce") == ("refuses", f"NOBOUNCE by {rules}:3")
    assert told.all["rules"] == {"rule": f"{rules}:3", "allow": True, "variables": {"NOBOUNCE": ""}}
    told = Told(home, "<>", "you@example.org", NOBOUNCE="")
    assert told.check("MAIL", "nobounce") == ("refuses", "NOBOUNCE by the environment")


def test_relaying_and_its_reason(home: Home) -> None:
    rules = home.path / "tcp.smtp"
    rules.write_text('10.:allow,RELAYCLIENT=""\n')
    elsewhere = "you@elsewhere.example"
    told = Told(home, "a@b.example", elsewhere)
    assert told.code == 1
    assert told.check("RCPT", "rcpthosts") == ("refuses", "not in control/locals, control/rcpthosts")
    told = Told(home, "a@b.example", elsewhere, options=("--ip", "10.1.2.3", "--rules", str(rules)))
    assert told.check("RCPT", "rcpthosts") == ("accepts", f"RELAYCLIENT by {rules}:1")
    told = Told(home, "a@b.example", elsewhere, options=(*CLIENT, "--auth", "joe"), SMTPAUTH="")
    assert told.check("RCPT", "rcpthosts") == ("accepts", "authenticated")
    home.control("relaymailfrom", "a@b.example\n")
    told = Told(home, "a@b.example", elsewhere)
    assert told.check("RCPT", "rcpthosts") == ("accepts", "control/relaymailfrom:1")


def test_rules_that_deny(home: Home) -> None:
    rules, database = home.path / "tcp.smtp", home.path / "tcp.smtp.cdb"
    rules.write_text("192.0.2.:deny\n")
    argv = [program("tcprules"), str(database), str(home.path / "tmp")]
    subprocess.run(argv, input=rules.read_bytes(), check=True)
    for path, rule in ((rules, f"{rules}:1"), (database, f"{database} (192.0.2.)")):
        told = Told(home, "a@b.example", "you@example.org", options=(*CLIENT, "--rules", str(path)))
        assert (told.code, told.steps, told.all["rules"]["rule"]) == (1, [], rule)
    done = run(home, "--ip", "1.2.3.4", "--rules", str(rules), "--from", "a@b.example", "--to", "you@example.org")
    assert done.stdout.startswith("no rule matches this client: it is allowed\n")


def test_authentication_and_encryption(home: Home, tmp_path: Path) -> None:
    def told(*options: str, **env: str) -> list[int]:
        return Told(home, "a@b.example", "you@example.org", options=(*CLIENT, *options), **env).replies

    assert told("--auth", "joe") == [220, 502]
    assert told(AUTHREQUIRED="", SMTPAUTH="") == [220, 530]
    assert told("--auth", "joe", AUTHREQUIRED="", SMTPAUTH="") == [220, 235, 250, 250]
    assert told("--auth", "joe", SMTPAUTH="TLSREQUIRED") == [220, 538]
    assert told("--auth", "joe", "--tls", SMTPAUTH="TLSREQUIRED") == [220, 235, 250, 250]
    home.control("smtpcert", "control/cert.pem\n")
    assert told("--auth", "joe", SMTPAUTH="TLSREQUIRED", SMTPS="1") == [220, 235, 250, 250]
    (home.path / "control/smtpcert").unlink()
    notes = Told(home, "a@b.example", "you@example.org", options=(*CLIENT, "--tls")).all["notes"]
    assert notes == ["there is no certificate: a client cannot encrypt here"]


def test_pauses_are_told_and_not_waited(home: Home) -> None:
    told = Told(home, "a@b.example", "1@example.org", "2@example.org", TARPITCOUNT="2", TARPITDELAY="3600")
    assert [step["pauses"] for step in told.steps] == [[], [], [], [3600]]
    assert [len(step["pauses"]) for step in Told(home, "a@b.example", "1@example.org", GREETDELAY="3").steps] == [
        3,
        0,
        0,
    ]


def test_the_directory_is_asked_and_quoted(home: Home) -> None:
    home.program("qmail-verify", VERIFY)
    addresses = [f"{name}@local.example.org" for name in ("you", "nobody", "somebody")]
    told = Told(home, "a@b.example", *addresses, RCPTCHECK="")
    assert told.replies == [220, 250, 250, 554, 451]
    assert told.check("RCPT TO:<nobody", "verify") == ("refuses", "RCPTCHECK by the environment")
    assert told.check("RCPT TO:<somebody", "verify")[0] == "defers"
    assert told.steps[3]["log"] == ["directory refused nobody@local.example.org: no such user (#5.1.1)"]
    assert told.code == 1
    assert Told(home, "a@b.example", addresses[0], addresses[2], RCPTCHECK="").code == 2


def test_shadowed_checks(home: Home) -> None:
    home.control("badmailfrom", "@spam.example\n")
    told = Told(home, "a@spam.example", "you@example.org", SHADOW="badmailfrom")
    assert told.code == 0
    assert told.check("MAIL", "badmailfrom") == ("would refuse", "control/badmailfrom:1")


def test_restricted_greeting_and_disconnect(home: Home) -> None:
    assert Told(home, "a@b.example", "you@example.org", **{"421GREETING": ""}).code == 2
    told = Told(home, "a@b.example", "you@example.org", **{"550GREETING": "no"})
    assert (told.code, told.replies) == (1, [554])
    told = Told(home, "a@b.example", "x@elsewhere.example", "you@example.org", SMTP550DISCONNECT="")
    assert told.replies == [220, 250, 553]
    assert told.all["notes"] == ["not sent, since the client is refused before: RCPT TO:<you@example.org>"]


def test_a_home_out_of_order_is_421(home: Home) -> None:
    (home.path / "control/me").unlink()
    told = Told(home, "a@b.example", "you@example.org")
    assert told.code == 2
    assert told.all["notes"][0] == "unable to read control/me: No such file or directory"
    home.control("me", "mx.example.org\n")
    home.control("locals.cdb", "x" * 3000)
    told = Told(home, "a@b.example", "you@example.org")
    assert (told.code, told.replies) == (2, [220, 250, 421])
    assert told.steps[-1]["log"][0].startswith("unable to read control/locals.cdb")


def test_checks_of_the_site_and_plugins(home: Home) -> None:
    (home.path / "mine.py").write_text(CHECKER)
    home.control("smtpcheckers", "mine\n")
    before = sorted(home.path.rglob("*"))
    told = Told(home, "a@b.example", "you@example.org", options=(*CLIENT, "--helo", "x.example"))
    assert told.replies == [220, 553]
    assert told.check("EHLO", "mine") == ("refuses", "control/smtpcheckers")
    assert sorted(home.path.rglob("*")) == before
    home.control("smtpplugins", "[rcpt]\n:echo 'E554 not you'\n")
    told = Told(home, "a@b.example", "you@example.org")
    assert told.replies == [220, 250, 554]
    assert told.check("RCPT", "plugins")[0] == "refuses"


def test_lines_for_people(home: Home) -> None:
    home.control("badmailfrom", "@spam.example\n")
    done = run(
        home,
        *CLIENT,
        "--from",
        "a@b.example",
        "--to",
        "you@example.org",
        "--to",
        "x@y.example",
        env={"SANITYCHECK": ""},
    )
    lines = done.stdout.splitlines()
    assert "MAIL FROM:<a@b.example>" in lines
    assert "    badmailfrom          passes" in lines
    assert "    rcpthosts            accepts  [control/rcpthosts:1]" in lines
    assert "    -> 250 recipient ok" in lines
    assert any(line.startswith("not configured: authrequired (AUTHREQUIRED)") for line in lines)
    assert lines[-1] == "refused"
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    "wrong",
    [("--ip", "1.2.3"), ("--ip", "x"), ("--ip", "1.2.3.4", "--helo", "x\nMAIL"), ("--ip", "::1", "--size", "1\r\n")],
)
def test_wrong_usage_is_no_verdict(home: Home, wrong: tuple[str, ...]) -> None:
    assert run(home, *wrong, "--from", "a@b.example", "--to", "c@d.example").returncode == 100


SESSIONS: list[dict[str, str]] = [
    {},
    {"NOBOUNCE": "", "SANITYCHECK": ""},
    {"MAXRCPTCOUNT": "1"},
    {"BLOCKRELAYPROBE": "", "RELAYCLIENT": "@gate.example"},
    {"DATABYTES": "10"},
    {"AUTHREQUIRED": "", "SMTPAUTH": ""},
    {"SENDERCHECK": "STRICT", "RCPTCHECK": ""},
    {"SHADOW": "badmailfrom badrcptto rcpthosts"},
]
SENDERS = ("", "a@b.example", "a@spam.example", "x", "you@local.example.org", "nobody@local.example.org")
RECIPIENTS = ("you@example.org", "bad@example.org", "you@local.example.org", "a%b@example.org", "x@elsewhere.example")


@pytest.mark.parametrize("env", SESSIONS, ids=lambda env: " ".join(env) or "plain")
def test_the_same_replies_as_a_session(home: Home, env: dict[str, str]) -> None:
    home.program("qmail-verify", VERIFY)
    home.control("badmailfrom", "@spam.example\n")
    home.control("badrcptto", "bad@example.org\n")
    for sender in SENDERS:
        to = "".join(f"RCPT TO:<{one}>\r\n" for one in RECIPIENTS)
        session = codes(home.smtp(f"MAIL FROM:<{sender}> SIZE=20\r\n{to}QUIT\r\n", **env).stdout)[:-1]
        told = Told(home, sender, *RECIPIENTS, options=(*CLIENT, "--size", "20"), **env)
        assert told.replies == [code for code in session if code != 503], (sender, env)


def test_encryption_with_a_certificate(home: Home, tmp_path: Path) -> None:
    install(home, Pki(tmp_path).server())
    told = Told(home, "a@b.example", "you@example.org", options=(*CLIENT, "--tls"))
    assert (told.code, told.all["notes"]) == (0, [])


# A message


ZONE: dict[str, list[object]] = {
    "_dmarc.signer.test": [{"TXT": "v=DMARC1; p=reject"}],
    "sel._domainkey.signer.test": [{"TXT": key_record()}],
    "sender.test": [{"TXT": "v=spf1 ip4:192.0.2.10 -all"}],
}
ON = {"SPFBEHAVIOR": "1", "DKIMVERIFY": "", "DMARCBEHAVIOR": "3"}


@pytest.fixture(scope="module")
def dns() -> Iterator[dict[str, str]]:
    """The variables of a receiver that looks into everything, and of its name server."""
    with NameServer(lookup_in(ZONE)) as server:
        yield {**ON, "DNSCACHEIP": f"127.0.0.1:{server.port}"}


def explained(home: Home, message: bytes, *options: str, **env: str) -> tuple[int, dict[str, Any]]:
    (home.path / "message").write_bytes(message)
    done = run(home, "--message", str(home.path / "message"), "--json", *options, env=env)
    return done.returncode, json.loads(done.stdout)


def of_message(told: dict[str, Any]) -> dict[str, str]:
    """The checks of the message, and their reasons."""
    (step,) = (step for step in told["steps"] if step["command"] == "(message)")
    return {check["check"]: check["reason"] for check in step["checks"]}


def test_a_stored_message_is_verified(home: Home, dns: dict[str, str]) -> None:
    """As it was queued, with all that we have put above it."""
    message = signed(b"From: u@signer.test\r\nSubject: .\r\n\r\n.hidden dot\r\n", "signer.test").decode()
    talk = f"HELO c.test\r\nMAIL FROM:<u@sender.test>\r\nRCPT TO:<you@example.org>\r\nDATA\r\n{message}"
    home.smtp(talk.replace("\n.", "\n..") + ".\r\nQUIT\r\n", **dns)
    (queued,) = home.queued()
    assert queued.message.startswith(b"Authentication-Results: mx.example.org;\n\tspf=pass")
    code, told = explained(home, queued.message, **dns)
    assert code == 0 and [step["command"] for step in told["steps"]] == [
        *("(connection)", "EHLO c.test", "MAIL FROM:<u@sender.test>", "RCPT TO:<you@example.org>", "DATA", "(message)")
    ]
    reasons = of_message(told)
    assert reasons["dkim"].startswith("dkim=pass signer.test") and key_record() in reasons["dkim"]
    assert reasons["dmarc"] == "dmarc=pass, dkim of signer.test, _dmarc.signer.test: v=DMARC1; p=reject"
    assert [field.partition(":")[0] for field in told["fields_added"]] == ["Received"]  # all else is as it was
    assert told["fields_removed"] == [] and len(home.queued()) == 1


def test_dmarc_alone_tells_the_records_of_what_it_asks(home: Home, dns: dict[str, str]) -> None:
    message = signed(b"From: u@signer.test\r\n\r\nhi\r\n", "signer.test")
    said = ("--from", "u@sender.test", "--to", "you@example.org")
    _, told = explained(home, message, *CLIENT, *said, DMARCBEHAVIOR="3", DNSCACHEIP=dns["DNSCACHEIP"])
    assert set(of_message(told)) == {"dmarc", "authresults"}
    log = [line for step in told["steps"] for line in step["log"]]
    assert f"dkim=pass signer.test, record: {key_record()}" in log
    assert any(line.startswith("spf=") and ", record: v=spf1 " in line for line in log)
    assert "dmarc=pass signer.test: dkim of signer.test, record: v=DMARC1; p=reject" in log


def test_a_message_is_refused(home: Home, dns: dict[str, str]) -> None:
    code, told = explained(
        home, b"From: u@signer.test\n\nhi", *CLIENT, "--from", "u@x.test", "--to", "you@example.org", **dns
    )
    assert code == 1 and told["steps"][-1]["code"] == 550
    assert of_message(told)["dmarc"].endswith("_dmarc.signer.test: v=DMARC1; p=reject")
    assert told["fields_added"] == told["fields_removed"] == []


@pytest.mark.parametrize("text", [b"", b"\n\nhi\n", b"no field\nX: y\n\nhi\n"])
def test_what_is_no_header_is_not_removed(home: Home, dns: dict[str, str], text: bytes) -> None:
    _, told = explained(home, text, "--to", "you@example.org", **dns)
    assert [field.partition(":")[0] for field in told["fields_added"]] == ["Authentication-Results", "Received"]
    assert told["fields_removed"] == []


def test_what_a_message_does_not_tell_is_assumed(home: Home, dns: dict[str, str]) -> None:
    code, told = explained(home, b"From mbox\nSubject: x\r\n\r\nhi\r\n", **dns)
    assert code == 0 and [note.partition(":")[0] for note in told["notes"]] == [
        f"the message does not show {option}" for option in ("--ip", "--from", "--to")
    ]
    assert [step["command"] for step in told["steps"][1:]] == [
        *("MAIL FROM:<>", "RCPT TO:<postmaster>", "DATA", "(message)")
    ]
    code, told = explained(home, b"Return-Path: <u@sender.test>\nSubject: x\n\nhi\n", "--to", "u@evil.test", **dns)
    assert code == 1 and [step["command"] for step in told["steps"][1:]] == [
        *("MAIL FROM:<u@sender.test>", "RCPT TO:<u@evil.test>")
    ]
    assert told["notes"][-1] == "not sent, since the client is refused before: DATA, (message)"


def test_a_message_is_verified_where_nothing_asks_for_it(home: Home, dns: dict[str, str]) -> None:
    message = signed(b"From: u@signer.test\r\n\r\nhi\r\n", "signer.test").replace(b"hi", b"no")
    off = {**dict.fromkeys(ON, "0"), "DNSCACHEIP": dns["DNSCACHEIP"]}
    del off["DKIMVERIFY"]
    code, told = explained(home, message, **off)
    assert code == 0 and told["notes"][-1].startswith("no filter, SPF, DKIM or DMARC is configured")
    reasons = of_message(told)
    assert reasons["dkim"].startswith("dkim=fail signer.test")
    assert reasons["dmarc"].startswith("dmarc=fail")


def test_a_message_in_plain_words(home: Home, dns: dict[str, str]) -> None:
    (home.path / "message").write_bytes(b"Authentication-Results: mx.example.org; spf=pass\n\nhi\n")
    done = run(home, "--message", str(home.path / "message"), env=dns)
    assert "\n    authresults          passes  [iprev=permerror the address has no name]" in done.stdout
    assert "\nadds Authentication-Results: mx.example.org; spf=none" in done.stdout
    assert "\nremoves Authentication-Results: mx.example.org; spf=pass\n" in done.stdout


def test_a_file_that_is_not_there(home: Home) -> None:
    done = run(home, "--message", "/nonexistent")
    assert done.returncode == 100 and "/nonexistent: No such file" in done.stderr


def test_what_the_answer_of_a_public_list_means(home: Home) -> None:
    """pydnsbl knows; the list is one of ours under its name."""
    home.control("rbllist", "zen.spamhaus.org reject any listed\nother.test addheader any listed\n")
    zone = {"10.2.0.192.zen.spamhaus.org": {"A": ["127.0.0.4"]}, "10.2.0.192.other.test": {"A": ["127.0.0.2"]}}
    with served(zone) as port:
        env = {"RBL": "", "DNSCACHEIP": f"127.0.0.1:{port}"}
        said = run(home, *CLIENT, "--from", "s@sender.example", "--to", "u@example.org", env=env).stdout
    assert "rbl zen.spamhaus.org answers 127.0.0.4" in said and "rbl other.test answers 127.0.0.2" in said
    assert "zen.spamhaus.org means: exploits" in said
    assert "other.test means" not in said


def test_a_home_below_the_working_directory(home: Home) -> None:
    """Programs stand in the home: to them QMAILHOME has to be a whole path."""
    home.control("locals", "local.example.org\n")
    home.program("qmail-verify", '#!/bin/sh\ncd "$QMAILHOME" && printf K\n')
    to = ("--from", "me@sender.example", "--to", "you@local.example.org")
    argv = [str(BIN / "qmail-smtpd-explain"), *CLIENT, *to, "--home", home.path.name]
    env = {"PATH": "/usr/bin:/bin", "RCPTCHECK": ""}
    done = subprocess.run(argv, cwd=home.path.parent, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_received_field_names_this_host(home: Home) -> None:
    """As with `tcpserver -l "$me"` in a run script; the environment may name another."""
    (home.path / "message").write_bytes(b"Subject: x\n\ny\n")
    for env, name in (({}, "mx.example.org"), ({"TCPLOCALHOST": "other.example"}, "other.example")):
        said = run(home, "--message", str(home.path / "message"), "--to", "you@example.org", env=env).stdout
        assert f" by {name} (" in said
