"""The first words (SPEC section 3). The recordings have the waiting; here is what is said."""

from __future__ import annotations

import pytest

from qmail_smtpd.session.greeting import greet, refusal

from ..support.dialog import Dialog
from ..support.home import Home
from ..support.inprocess import Config as Configuration
from ..support.inprocess import MemoryControl, MemoryWire, converse, play


class SlowWire(MemoryWire):
    """Notes what is out when somebody waits; `early` is a client that speaks at once."""

    def __init__(self, early: bool = False) -> None:
        super().__init__([b"EHLO x\r\n"] if early else [])
        self.early = early
        self.waits: list[tuple[bytes, float]] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append((b"".join(self.sent), seconds))

    def readable(self, seconds: float) -> bool:
        self.waits.append((b"".join(self.sent), seconds))
        return self.early


def greeted(env: dict[bytes, bytes], **control: bytes) -> SlowWire:
    wire = SlowWire()
    greet(Configuration(env, MemoryControl({"me": b"mx.example\n", **control})), wire)  # type: ignore[arg-type]
    return wire


@pytest.mark.parametrize(
    ("control", "line"),
    [
        ({}, b"220 mx.example ESMTP \r\n"),
        ({"smtpgreeting": b"hello there\n"}, b"220 mx.example ESMTP hello there\r\n"),
        ({"smtpclustercookie": b"node7\n"}, b"220 mx.example ESMTP  node7\r\n"),
        ({"smtpgreeting": b"hi\n", "smtpclustercookie": b"c" * 40}, b"220 mx.example ESMTP hi " + b"c" * 32 + b"\r\n"),
    ],
)
def test_greeting(control: dict[str, bytes], line: bytes) -> None:
    assert b"".join(greeted({}, **control).sent) == line
    assert greeted({}, **control).waits == []


def test_a_byte_a_second() -> None:
    wire = greeted({b"GREETDELAY": b"3"}, smtpgreeting=b"hi\n")
    assert [seconds for _, seconds in wire.waits] == [1, 1, 1]
    assert [out for out, _ in wire.waits] == [b"", b"2", b"22"]
    assert b"".join(wire.sent) == b"220 mx.example ESMTP hi\r\n"


def test_at_most_its_length() -> None:
    wire = greeted({b"GREETDELAY": b"1000"}, smtpgreeting=b"hi\n")
    assert sum(seconds for _, seconds in wire.waits) == len("220 mx.example ESMTP ")


def test_nothing_is_out_before_a_554() -> None:
    wire = greeted({b"GREETDELAY": b"5", b"DROPRUSHGREET": b""})
    assert wire.waits == [(b"", 5)]
    assert b"".join(wire.sent) == b"220 mx.example ESMTP \r\n"


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({}, None),
        ({b"421GREETING": b""}, b"421 "),
        ({b"421GREETING": b"come back"}, b"421 come back"),
        ({b"550GREETING": b""}, b"554 "),
        ({b"550GREETING": b"go away"}, b"554 go away"),
        ({b"421GREETING": b"come back", b"550GREETING": b"go away"}, b"554 go away"),
        ({b"550GREETING": b"two\r\n220 lines"}, b"554 two  220 lines"),
    ],
)
def test_refusal(env: dict[bytes, bytes], line: bytes | None) -> None:
    reply = refusal(Configuration(env, MemoryControl({"me": b"mx.example\n"})))
    assert (reply is None) is (line is None)
    assert reply is None or line is None or reply.line().startswith(line)


@pytest.mark.parametrize(
    ("env", "helo"), [({"421GREETING": ""}, "421 (#4.3.2)"), ({"550GREETING": ""}, "503 (#5.5.1)")], ids=["421", "550"]
)
def test_the_restricted_session(env: dict[str, str], helo: str) -> None:
    commands = [
        "MAIL FROM:<a@b>",
        "RCPT TO:<u@example.org>",
        "DATA",
        "RSET",
        "NOOP",
        "VRFY",
        "HELP",
        "AUTH LOGIN",
        "STARTTLS",
        "X",
    ]
    refused = "".join(f"C: {command}\nS: 503 (#5.5.1)\n" for command in commands)
    ending = play(f"C: HELO x\nS: {helo}\nC: EHLO x\nS: {helo}\n{refused}C: QUIT\nS: 221", **env)
    assert ending.exit == 0
    assert not ending.started


@pytest.mark.parametrize("name", [b"421GREETING", b"550GREETING"])
def test_disconnect_in_the_restricted_greeting(name: bytes) -> None:
    ending = converse([b"EHLO x\r\n"], env={name: b"", b"SMTP550DISCONNECT": b""})
    assert ending.output.count(b"\r\n") == 1
    assert ending.exit == 0


@pytest.mark.parametrize(
    ("control", "env"),
    [
        ("", {"GREETDELAY": "1"}),
        ("", {"TARPITCOUNT": "1", "TARPITDELAY": "1"}),
        ("[mail]\n:sleep 0.7\n", {}),
    ],
    ids=["greeting", "tarpit", "plugin"],
)
def test_a_client_that_has_sent_everything_is_served_after_a_pause(
    home: Home, control: str, env: dict[str, str]
) -> None:
    """As scripts do (nc -N): the whole dialog, then the end of the client's output."""
    home.control("smtpplugins", control)
    with Dialog(home, **env) as smtp:
        smtp.say("MAIL FROM:<joe@example.net>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n")
        smtp.half_close()
        while smtp.hear():
            pass
    assert smtp.codes == [220, 250, 250, 354, 250, 221]
    assert len(home.queued()) == 1
