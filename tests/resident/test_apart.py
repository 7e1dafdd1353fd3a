"""Two thousand sessions over few workers, of eight kinds in turn: nothing of one is seen in another.

Each has a number, and everything that it says has it. What the queue program was given, and what the log tells, must
belong to the number that the message has.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.activation import Resident
from ..support.certificates import Pki, install
from ..support.home import Home
from ..support.smtp import Client
from .test_server import compile_rules

SESSIONS, AT_ONCE, PROCESSES = 2000, 6, "50\n"
RELAYS, PLAIN = "127.0.0.2", "127.0.0.3"
OURS, ELSEWHERE = "example.org", "elsewhere.example"
MARKS = (b"RELAYCLIENT", b"SMTPAUTHUSER", b"MARK", b"GROUP", b"LEAK")  # what sessions of some kinds have
QUEUE = """#!/bin/sh
exec 3<&1
{ env -0; printf '\\1'; cat; printf '\\1'; cat <&3; } > queued/$$.part
mv queued/$$.part queued/$$
"""
MARK = '#!/bin/sh\ncase $SMTPMAILFROM in marked*) echo "SMARK=$SMTPMAILFROM";; esac\n'
AUTH = """#!/usr/bin/python3 -IS
import base64, os
said = os.read(0, 999).split(b"\\0")[1]
os.write(1, b"K" + base64.b64decode(said).split(b"\\0")[1] + b"\\0")
"""
UNRULY = """
import os, posix
from qmail_smtpd.checker import Checker
class Unruly(Checker):
    def rcpt(self, session, event):
        if session.transaction.sender.startswith(b"unruly"):
            os.environ["LEAK"] = posix.environ[b"LEAK"] = "x"
            session.env[b"LEAK"] = b"x"
            os.chdir("/tmp")
            os.umask(0o777)
            if b"0@" in session.transaction.sender:
                os.open("/dev/null", os.O_RDONLY)
            raise SystemExit("and leaves")
def setup(config):
    return Unruly()
"""


@pytest.fixture
def mode() -> str:
    return PROCESSES


class Visitors:
    """What each kind of session does; `number` is the session's."""

    def __init__(self, resident: Resident, pki: Pki) -> None:
        self._resident = resident
        self._tls = pki.trusting()
        self.kinds: list[Callable[[int], None]] = [
            self.plain,
            self.relaying,
            self.authenticated,
            self.encrypted,
            self.marked,
            self.unruly,
            self.leaving,
            self.refused,
        ]

    def visit(self, number: int) -> None:
        self.kinds[number % len(self.kinds)](number)

    def _greeted(self, number: int, source: str = PLAIN) -> Client:
        client = self._resident.connect(source)
        client.ask(None, 220)
        client.ask(f"EHLO host{number}", 250)
        return client

    def _delivers(self, client: Client, number: int, sender: str, domain: str = OURS) -> None:
        client.deliver(f"to{number}@{domain}", f"{sender}{number}@sender.example", f"body{number}")
        client.quit()

    def plain(self, number: int) -> None:
        with self._greeted(number) as client:
            self._delivers(client, number, "plain")

    def relaying(self, number: int) -> None:
        with self._greeted(number, RELAYS) as client:
            self._delivers(client, number, "relaying", ELSEWHERE)

    def authenticated(self, number: int) -> None:
        with self._greeted(number) as client:
            client.ask("AUTH PLAIN " + base64.b64encode(b"\0user%d\0secret" % number).decode(), 235)
            self._delivers(client, number, "authenticated", ELSEWHERE)

    def encrypted(self, number: int) -> None:
        with self._greeted(number) as client:
            client.ask("STARTTLS", 220)
            client.socket = self._tls.wrap_socket(client.socket, server_hostname="mx.example.org")
            client.ask(f"EHLO host{number}", 250)
            self._delivers(client, number, "encrypted")

    def marked(self, number: int) -> None:
        with self._greeted(number) as client:
            self._delivers(client, number, "marked")

    def unruly(self, number: int) -> None:
        with self._greeted(number) as client:
            client.ask(f"MAIL FROM:<unruly{number}@sender.example>", 250)
            client.ask(f"RCPT TO:<to{number}@{OURS}>", 451)

    def leaving(self, number: int) -> None:
        with self._greeted(number) as client:
            client.ask(f"MAIL FROM:<leaving{number}@sender.example>", 250)
            client.ask(f"RCPT TO:<to{number}@{OURS}>", 250)
            client.ask("DATA", 354)
            client.say("Subject: x\r\n\r\nhalf")

    def refused(self, number: int) -> None:
        with self._greeted(number) as client:
            client.ask(f"MAIL FROM:<refused{number}@sender.example>", 250)
            client.ask(f"RCPT TO:<to{number}@{ELSEWHERE}>", 553)
            client.ask("AUTH NONSENSE", 504)
            client.quit()


@pytest.fixture
def visited(home: Home, tmp_path: Path) -> Home:
    """After all the sessions."""
    pki = Pki(tmp_path)
    install(home, pki.server())
    home.program("qmail-queue", QUEUE)
    home.program("auth_smtp", AUTH)
    home.control("smtpplugins", f"[mail]\n{home.program('mark', MARK)}\n")
    (home.path / "unruly.py").write_text(UNRULY)
    home.control("smtpcheckers", "unruly\n")
    home.control("concurrencyperip", "0\n")
    compile_rules(home, f'{RELAYS}:allow,RELAYCLIENT="",GROUP="inside"\n:allow\n')
    rules = str(home.path / "rules.cdb")
    with Resident(home, SMTPAUTH="", TCPRULES=rules, LOGFORMAT="json", LOGLEVEL="4") as resident:
        visitors = Visitors(resident, pki)
        _all_at_once(visitors)
        resident.wait_for_no_sessions()
    return home


def _all_at_once(visitors: Visitors) -> None:
    trouble: list[str] = []

    def visit(first: int) -> None:
        for number in range(first, SESSIONS, AT_ONCE):
            try:
                visitors.visit(number)
            except (OSError, AssertionError) as error:
                trouble.append(f"{number}: {error!r}")

    threads = [threading.Thread(target=visit, args=(first,)) for first in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble


def test_two_thousand_sessions(visited: Home) -> None:
    queued = [path.read_bytes().split(b"\1") for path in (visited.path / "queued").iterdir()]
    complete = {_number(envelope): (env, message) for env, message, envelope in queued if envelope.endswith(b"\0\0")}
    assert sorted(complete) == [number for number in range(SESSIONS) if number % 8 < 5]
    for number, (env, message) in complete.items():
        _judge(number, dict(_variables(env)), message)
    _judge_log(visited)


def _number(envelope: bytes) -> int:
    """The sender has one, and the recipient has the same."""
    found = re.fullmatch(rb"F[a-z]+(\d+)@sender\.example\0Tto(\d+)@[a-z.]+\0\0", envelope)
    assert found and found[1] == found[2], envelope
    return int(found[1])


def _variables(env: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, _, value in (line.partition(b"=") for line in env.split(b"\0")[:-1])]


def _judge(number: int, env: dict[bytes, bytes], message: bytes) -> None:
    expected: dict[int, dict[bytes, bytes]] = {
        1: {b"RELAYCLIENT": b"", b"GROUP": b"inside"},
        2: {b"RELAYCLIENT": b"", b"SMTPAUTHUSER": b"user%d" % number},
        4: {b"MARK": b"marked%d@sender.example" % number},
    }
    kind = number % 8
    assert {name: env[name] for name in MARKS if name in env} == expected.get(kind, {}), number
    assert env[b"TCPREMOTEIP"] == (RELAYS if kind == 1 else PLAIN).encode()
    trace, _, rest = message.partition(b"Subject: ")
    assert b"(HELO host%d)" % number in trace and rest == b"x\n\nbody%d\n" % number
    assert (b"encrypted" in trace) == (kind == 3)
    assert (b"user%d" % number in trace) == (kind == 2)


def _judge_log(home: Home) -> None:
    """Every object tells of one session, and of nothing else."""
    lines = [json.loads(line) for line in (home.path / "resident.log").read_text().splitlines() if line[:1] == "{"]
    names: dict[str, str] = {}
    ended = set()
    for line in lines:
        if line["event"] == "message":
            number = line["helo"].removeprefix("host")
            assert names.setdefault(line["session"], number) == number
            assert line["recipients"][0].startswith(f"to{number}@")
            assert line["user"] == (f"user{number}" if int(number) % 8 == 2 else None)
            assert bool(line["tls"]) == (int(number) % 8 == 3)
        elif line["event"] == "session":
            number = line["helo"].removeprefix("host")
            assert names.setdefault(line["session"], number) == number
            ended.add(number)
            for refusal in line["refusals"]:
                assert f"to{number}@" in refusal.get("address", f"to{number}@")
    assert len(ended) == SESSIONS
