"""The log (SPEC section 12): what stands in it at which level, and what can never stand in it."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qmail_smtpd.logs.log import escaped

from ..support.home import Home, codes

SAID = (
    "EHLO client.example.net\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<u@evil.example>\r\nRCPT TO:<u@example.org>\r\n"
    "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nNOOP\r\nQUIT\r\n"
)
LEVELS = {
    2: ["connection from 192.0.2.10", "mail from: s@sender.example", "rcpt to: u@example.org", "message queued: "],
    3: ["553 "],
    4: ["EHLO", "DATA", "NOOP", "QUIT"],
}


def lines(log: bytes) -> list[str]:
    """The texts of the log; every line of it has its form, and nothing in it is unprintable."""
    assert log == b"" or log.endswith(b"\n")
    found = []
    for line in log.decode("ascii").split("\n")[:-1]:
        match = re.fullmatch(r"qmail-smtpd \d+: ([ -~]*)", line)
        assert match, line
        found.append(match.group(1))
    return found


@pytest.mark.parametrize("level", range(5))
def test_levels(home: Home, level: int) -> None:
    session = home.smtp(SAID, LOGLEVEL=str(level))
    assert codes(session.stdout) == [220, 250, 250, 553, 250, 354, 250, 250, 221]
    text = "\n".join(lines(session.stderr))
    for wanted_from, words in LEVELS.items():
        for word in words:
            assert (word in text) is (level >= wanted_from), (word, text)


def test_nothing_without_a_level(home: Home) -> None:
    env = {name: value for name, value in home.env().items() if name != "LOGLEVEL"}
    assert "LOGLEVEL" not in env
    session = home.smtp(SAID, LOGLEVEL="")
    assert session.stderr == b""


def test_a_queue_refusal_is_level_1(home: Home) -> None:
    home.program("qmail-queue", "#!/bin/sh\nexit 53\n")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert [line for line in lines(session.stderr) if "53" in line], session.stderr


def test_sizes_are_those_of_the_message(home: Home) -> None:
    message = "MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n{}.\r\n"
    session = home.smtp(message.format("a\r\n") + message.format("..\r\nbcd\r\n") + message.format(""), LOGLEVEL="2")
    assert re.findall(r"size (\d+) bytes", session.stderr.decode()) == ["2", "6", "0"]


def test_who_sent_it_and_to_how_many(home: Home) -> None:
    said = "MAIL FROM:<s@sender.example>\r\n" + "RCPT TO:<u@example.org>\r\n" * 2 + "DATA\r\nx\r\n.\r\nQUIT\r\n"
    [line] = [line for line in lines(home.smtp(said, LOGLEVEL="2").stderr) if line.startswith("message queued: ")]
    assert re.fullmatch(r"message queued: \d+ qp \d+ size 2 bytes recipients 2 from <s@sender.example>", line)


@pytest.mark.parametrize(
    "said",
    [
        b"EHLO \x1b[2J\x07\r\n",
        b"MAIL FROM:<a\rqmail-smtpd 1: message queued@x>\r\n",
        b"MAIL FROM:<\xff\x80\x7f\x01@x.example>\r\nRCPT TO:<\x1b@example.org>\r\n",
        b"\x1b]0;title\x07\r\n",
        b"AUTH \x1b x\r\n",
        b"MAIL FROM:<a\\b@x>\r\n",
    ],
)
def test_a_client_cannot_forge_a_line(home: Home, said: bytes) -> None:
    session = home.smtp(said + b"QUIT\r\n", LOGLEVEL="4")
    texts = lines(session.stderr)
    assert not [text for text in texts if text.startswith("message queued")]


def test_facts_from_outside_are_escaped_too(home: Home) -> None:
    session = home.smtp("QUIT\r\n", LOGLEVEL="4", TCPREMOTEHOST="a\nqmail-smtpd 1: b", TCPREMOTEIP="\x1b[2J")
    texts = lines(session.stderr)
    assert "b" not in texts
    assert any("\\012" in text and "\\033" in text for text in texts), texts


def test_no_password_at_any_level(tmp_path: Path) -> None:
    """Whether it is right, wrong or makes no sense. Two of these sessions wait their penalty, so all at once."""
    user, password = "joe@example.org", "the-secret-word"
    plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    name, login = (base64.b64encode(text.encode()).decode() for text in (user, password))
    spoken = [f"AUTH PLAIN {plain}\r\nQUIT\r\n", f"AUTH LOGIN\r\n{name}\r\n{login}\r\nQUIT\r\n"]
    homes = [Home(tmp_path / answer) for answer in "KDZ"]
    for home in homes:
        answer = f"import os\nos.read(0, 999)\nos.write(1, b'{home.path.name}joe\\0')\n"
        home.program("auth_smtp", f"#!/usr/bin/python3 -IS\n{answer}")
    pairs = [(home, said) for said in spoken for home in homes]
    with ThreadPoolExecutor() as pool:
        sessions = list(pool.map(lambda pair: pair[0].smtp(pair[1], LOGLEVEL="4", SMTPAUTH=""), pairs))
    assert [codes(session.stdout)[-2] for session in sessions] == [235, 535, 501] * 2
    for session in sessions:
        assert len(lines(session.stderr)) > 2
        assert not [secret for secret in (password, login, plain) if secret.encode() in session.stderr]


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        (b"plain text, ~tilde", b"plain text, ~tilde"),
        (b"a\nb", b"a\\012b"),
        (b"\x00\x1f\x7f\x80\xff", b"\\000\\037\\177\\200\\377"),
        (b"back\\slash", b"back\\134slash"),
        (b"", b""),
    ],
)
def test_escaping(raw: bytes, written: bytes) -> None:
    assert escaped(raw) == written


def test_escaping_is_one_to_one() -> None:
    """Nothing that a client says looks like what another byte is written as."""
    singles = [escaped(bytes([number])) for number in range(256)]
    assert len(set(singles)) == 256
    assert not [text for text in singles if not text.isascii()]
