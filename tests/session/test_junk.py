"""Clients that get nowhere, and HTTP at our port, are told 421 and dropped (issue 10, point 11)."""

from __future__ import annotations

import pytest

from ..support.home import Home, codes
from ..support.inprocess import converse, play
from ..support.site_checker import write

ENVELOPE = b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\n"
MESSAGE = ENVELOPE + b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"


LIMITS = b"100 20\n"  # as in a home that make-home makes


def heard(said: bytes, junkcommands: bytes = LIMITS) -> list[int]:
    return codes(converse([said], {"junkcommands": junkcommands}).output)[1:]


@pytest.mark.parametrize("command", [b"NOOP", b"XYZZY"])
def test_an_old_home_has_no_limit(command: bytes) -> None:
    assert 421 not in codes(converse([(command + b"\r\n") * 300]).output)


@pytest.mark.parametrize("command", [b"NOOP", b"RSET", b"VRFY x", b"HELP", b"RCPT TO:<x@y>", b"DATA", b"MAIL FROM:"])
def test_a_hundred_in_a_row(command: bytes) -> None:
    found = heard((command + b"\r\n") * 150)
    assert len(found) == 101 and found[-1] == 421 and 421 not in found[:-1]


def test_what_leads_somewhere_ends_the_row() -> None:
    found = heard((b"NOOP\r\n" * 90 + MESSAGE) * 5 + b"QUIT\r\n")
    assert len(found) == 5 * 94 + 1 and 421 not in found
    assert 421 not in heard((b"RSET\r\n" * 100 + b"EHLO x\r\n") * 5 + b"QUIT\r\n")


def test_refused_recipients_count() -> None:
    found = heard(ENVELOPE + b"RCPT TO:<x@elsewhere.example>\r\n" * 150)
    assert found == [250, 250] + [553] * 100 + [421]


@pytest.mark.parametrize(
    ("env", "control", "code"),
    [
        ({b"MAXRCPTCOUNT": b"3"}, {}, 553),
        ({b"MAXRCPTCOUNT": b"3", b"STRICTREPLIES": b""}, {}, 452),
        ({}, {"maxenvelope": b"55\n"}, 452),
    ],
)
def test_recipients_too_many_do_not_count(env: dict[bytes, bytes], control: dict[str, bytes], code: int) -> None:
    """The message for those before them is worth something: dropped, the client would come again and again."""
    said = ENVELOPE + b"RCPT TO:<u@example.org>\r\n" * 300 + b"DATA\r\n\r\nx\r\n.\r\nQUIT\r\n"
    ending = converse([said], {"junkcommands": LIMITS, **control}, env)
    found = codes(ending.output)
    assert found[-3:] == [354, 250, 221] and found.count(code) > 290
    assert len(ending.queued) == 1


def test_twenty_unknown_ones() -> None:
    found = heard(b"XYZZY\r\n" * 30)
    assert found == [502] * 20 + [421]
    assert heard((b"XYZZY\r\n" + MESSAGE) * 30) == [502, 250, 250, 354, 250] * 20 + [421], "not in a row"


@pytest.mark.parametrize(
    ("line", "row", "unknown"),
    [
        (b"5 2\n", 5, 2),
        (b"5\n", 5, 5),
        (b"5 0\n", 5, 5),
        (b"0 3\n", 0, 3),
        (b"0 0\n", 0, 0),
        (b"\n", 100, 20),
        (b"x y\n", 100, 20),
    ],
)
def test_the_numbers(line: bytes, row: int, unknown: int) -> None:
    for command, code, most in ((b"NOOP", 250, row), (b"XYZZY", 502, unknown)):
        found = heard((command + b"\r\n") * 200, junkcommands=line)
        assert found == ([code] * most + [421] if most else [code] * 200)


def test_a_greeting_that_refuses() -> None:
    found = codes(converse([b"EHLO x\r\n" * 200], {"junkcommands": LIMITS}, {b"550GREETING": b""}).output)
    assert found == [554] + [503] * 100 + [421]


def test_the_session_ends(home: Home) -> None:
    home.control("junkcommands", LIMITS.decode())
    done = home.smtp("NOOP\r\n" * 150 + MESSAGE.decode(), LOGLEVEL="3")
    assert codes(done.stdout) == [220] + [250] * 100 + [421]
    assert done.returncode == 1 and not home.queued()
    assert b"421 too many useless commands" in done.stderr


# HTTP


REQUESTS = [
    b"GET / HTTP/1.1",
    b"POST / HTTP/1.1",
    b"put /x HTTP/1.0",
    b"HEAD / HTTP/1.1",
    b"CONNECT mx.example.org:25 HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"Host: mx.example.org",
    b"accept: */*",
    b"GET",
]


@pytest.mark.parametrize("line", REQUESTS)
@pytest.mark.parametrize("env", [{}, {b"421GREETING": b""}])
def test_http(line: bytes, env: dict[bytes, bytes]) -> None:
    ending = converse([line + b"\r\n" + MESSAGE + b"QUIT\r\n"], env=env)
    assert codes(ending.output)[1:] == [421]
    assert not ending.queued and ending.exit == 1


@pytest.mark.parametrize(
    "line", ["Subject: x", "User-Agent: x", "Content-Type: text/plain", "GETX / HTTP/1.1", "Hosts: x"]
)
def test_what_is_not_http(line: str) -> None:
    """A client that is refused at DATA may go on with its message."""
    play(f"C: {line}\nS: 502\nC: QUIT\nS: 221")


def test_http_in_a_message_is_a_message() -> None:
    assert heard(ENVELOPE + b"DATA\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n.\r\nQUIT\r\n") == [250, 250, 354, 250, 221]


def test_the_rest_of_a_refused_auth_is_shown_to_nobody(home: Home) -> None:
    """A client that goes on with AUTH after a refusal says its password as a command."""
    write(home, "def unknown(self, session, event):\n    open('shown', 'ab').write(event.line + b'\\n')")
    home.smtp("AUTH LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\nXYZZY\r\nQUIT\r\n")
    assert (home.path / "shown").read_bytes() == b"XYZZY\n"
