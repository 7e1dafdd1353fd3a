"""Sessions that stop where they wait: all of them end, and nothing of them is left (issue 4, point 6)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from ..support.certificates import Pki, install
from ..support.home import Home, codes
from ..support.processes import DEADLINE, wait_until
from ..support.tcpserver import Server, tcpserver

# What a client says at once, and then no more. The sender of DATA is excused from the checks that ask the DNS.
SILENT = {
    "handshake": b"STARTTLS\r\n",
    "hello": b"STARTTLS\r\n",  # and the first half of a handshake once the reply is there
    "data": b"MAIL FROM:<good@a.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nSubject: t\r\n\r\nhalf a li",
    "header": b"MAIL FROM:<good@a.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nSubject: t\r\nX-",
    "list": b"MAIL FROM:<>\r\n",
    "domain": b"MAIL FROM:<s@a.example>\r\n",
}
REPLIES = {
    "handshake": [220, 220],
    "hello": [220, 220],
    "data": [220, 250, 250, 354, 451],
    "header": [220, 250, 250, 354, 451],
    "list": [220, 250, 451],  # the list is passed over
    "domain": [220, 421, 451],  # that too, and the sender's domain cannot be looked up
}
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 100


@pytest.fixture
def dns() -> Iterator[socket.socket]:
    """A name server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.setblocking(False)
        yield silent


@pytest.fixture
def server(home: Home, dns: socket.socket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    install(home, Pki(tmp_path_factory.mktemp("pki")).server())
    home.control("timeoutsmtpd", "2\n")
    home.control("rbltimeout", "1\n")
    home.control("rbllist", "list.example reject any listed\n")
    home.control("goodmailfrom", "good@a.example\n")
    env = {"RBL": "", "RETURNMXCHECK": "", "DNSCACHEIP": f"127.0.0.1:{dns.getsockname()[1]}"}
    with tcpserver(home, **env) as running:
        wait_until(lambda: len(running.ended()) == 1, "the probe of its port is over")
        yield running


def connect(server: Server, kind: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), DEADLINE)
    connection.settimeout(DEADLINE)
    connection.sendall(SILENT[kind])
    return connection


def received(connection: socket.socket, end: bytes = b"") -> bytes:
    """What comes until `end`, or until the server closes."""
    data = b""
    try:
        while not (end and data.endswith(end)) and (block := connection.recv(65536)):
            data += block
    except ConnectionResetError:
        pass
    return data


def asked(dns: socket.socket) -> set[bytes]:
    """Which of our two names the questions were about, as far as the socket could hold them."""
    found = set()
    try:
        while question := dns.recv(512):
            found |= {name for name in (b"list", b"a") if b"%c%b\7example\0" % (len(name), name) in question}
    except BlockingIOError:
        return found
    return found


def envelopes(home: Home) -> list[bool]:
    """Of each start of the queue program, whether it got a whole envelope."""
    return [bool(json.loads(path.read_text())["complete"]) for path in (home.path / "queued").glob("*.json")]


def nothing_left(server: Server, sessions: int) -> None:
    """All of them are over with exit 1, and no process of theirs is there any more."""
    wait_until(lambda: len(server.ended()) == sessions + 1, "every session is over")
    assert set(server.ended().values()) == {1}
    wait_until(lambda: server.processes() == {server.pid}, "no process is left")


def test_200_silent_sessions(home: Home, server: Server, dns: socket.socket) -> None:
    """At the same time, in the middle of a handshake, of a wait for the DNS, of a message."""
    kinds = ["handshake", "hello", "data", "header", *["list", "domain"] * 2] * 25
    connections = [(kind, connect(server, kind)) for kind in kinds]
    greetings = {}
    for kind, connection in connections:
        if kind == "hello":
            greetings[connection] = received(connection, b" handshake\r\n")
            connection.sendall(HALF_A_HELLO)
    for kind, connection in connections:
        with connection:
            assert codes(greetings.get(connection, b"") + received(connection)) == REPLIES[kind], kind
    nothing_left(server, len(kinds))
    assert server.log.count("handshake failed: too slow") == 50
    assert server.log.count("rbl list.example unavailable") == 100
    assert server.log.count("cannot look up a.example") == 50
    assert envelopes(home) == [False] * 50
    assert asked(dns) == {b"list", b"a"}


def test_clients_that_leave(home: Home, server: Server) -> None:
    """Half of them say so, half of them vanish: nothing is queued and nobody waits for them."""
    kinds = list(SILENT) * 8
    half_closed = []
    for number, kind in enumerate(kinds):
        connection = connect(server, kind)
        if kind == "hello":
            received(connection, b" handshake\r\n")
            connection.sendall(HALF_A_HELLO)
        if number % 2:
            connection.shutdown(socket.SHUT_WR)
            half_closed.append(connection)
        else:
            connection.close()
    for connection in half_closed:
        with connection:
            received(connection)
    nothing_left(server, len(kinds))
    assert not any(envelopes(home))
