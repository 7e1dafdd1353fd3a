"""The last reply reaches a client that is still speaking; and nobody is heard for ever (issue 10, point 6)."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmail_smtpd.net import farewell
from qmail_smtpd.net.wire import Wire

from ..support.certificates import Pki, install
from ..support.dialog import Dialog
from ..support.home import Home
from ..support.processes import DEADLINE
from ..support.tcpserver import Server, tcpserver

MUCH = b"x" * 70 + b"\r\n"
LINES = 70_000  # 5 MB: more than the buffers of both sides of a connection hold
ENVELOPE = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"


def heard(client: socket.socket) -> bytes:
    """Everything until the end; a reset connection is an error, as it is to every client."""
    found = b""
    while block := client.recv(65536):
        found += block
    return found


def last_code(client: socket.socket, said: bytes) -> bytes:
    """Say it all, as a pipelining client may, and hear only then."""
    client.settimeout(DEADLINE)
    client.sendall(said)
    return heard(client).rpartition(b"\r\n")[0].rpartition(b"\r\n")[2][:3]


@pytest.fixture
def server(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    install(home, Pki(tmp_path_factory.mktemp("pki")).server())
    with tcpserver(home, SMTP550DISCONNECT="") as running:
        yield running


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), DEADLINE)


BODIES = {
    "header line too long": (b"References: " + b"x" * 10_000 + b"\r\n\r\n", b"500"),
    "bare LF": (b"Subject: x\r\n\r\nhello\n", b"451"),
    "bare LF in the header": (b"Subject: x\n", b"451"),
}


@pytest.mark.parametrize(("body", "code"), BODIES.values(), ids=BODIES)
def test_in_mid_message(server: Server, body: bytes, code: bytes) -> None:
    with connect(server) as client:
        assert last_code(client, ENVELOPE + body + MUCH * LINES + b".\r\nQUIT\r\n") == code


def test_inside_tls(server: Server) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(server) as raw:
        raw.sendall(b"STARTTLS\r\n")
        while not raw.recv(4096).endswith(b"220 ready for the handshake\r\n"):
            pass
        with context.wrap_socket(raw) as client:
            assert last_code(client, ENVELOPE + b"a\n" + MUCH * LINES) == b"451"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"MAIL FROM:\r\n" + b"RCPT TO:<b@example.org>\r\n" * LINES, b"555"),  # SMTP550DISCONNECT
        (b"x" * (1 << 20) + b"x" + MUCH * LINES, b"500"),  # a command line that is too long
        (b"QUIT\r\n" + MUCH * LINES, b"221"),
    ],
)
def test_after_other_replies(server: Server, said: bytes, code: bytes) -> None:
    with connect(server) as client:
        assert last_code(client, said) == code


@pytest.mark.parametrize(
    ("control", "env", "code"),
    [
        ({"me": None}, {}, b"421"),
        ({}, {"GREETDELAY": "5", "DROPRUSHGREET": ""}, b"554"),
        ({}, {"421GREETING": "", "SMTP550DISCONNECT": ""}, b"421"),
    ],
)
def test_before_the_greeting(
    tmp_path: Path, control: dict[str, str | bytes | None], env: dict[str, str], code: bytes
) -> None:
    home = Home(tmp_path / "home", control)
    with tcpserver(home, **env) as server, connect(server) as client:
        assert last_code(client, MUCH * LINES) == code


# The bounds


class Ends:
    """Our end of a connection and the client's."""

    def __init__(self) -> None:
        self.ours, self.client = socket.socketpair()
        self.client.settimeout(DEADLINE)

    def linger(self) -> None:
        farewell.linger(self.ours.fileno(), self.ours.fileno())


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.ours.close()
    made.client.close()


def test_the_client_sees_the_end_at_once(ends: Ends) -> None:
    listener = threading.Thread(target=ends.linger)
    listener.start()
    assert ends.client.recv(1) == b""
    ends.client.close()
    listener.join(DEADLINE)
    assert not listener.is_alive(), "its end is the end"


def test_a_silent_one_is_not_waited_for(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farewell, "SILENCE", 0.05)
    ends.linger()


def test_one_that_goes_on_for_ever(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many bytes, or so long."""
    told = threading.Event()

    def talk() -> None:
        while not told.is_set():
            try:
                ends.client.send(b"x" * 1000)
            except OSError:
                return

    monkeypatch.setattr(farewell, "MOST", 100_000)
    talker = threading.Thread(target=talk)
    talker.start()
    try:
        ends.linger()
        monkeypatch.setattr(farewell, "MOST", 1 << 60)
        monkeypatch.setattr(farewell, "LONGEST", 0.1)
        ends.linger()
    finally:
        told.set()
        ends.ours.close()
        talker.join(DEADLINE)


def test_on_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    inbound, client_out = os.pipe()
    client_in, outbound = os.pipe()
    os.write(client_out, b"more")
    os.close(client_out)
    farewell.linger(inbound, outbound)
    assert os.read(client_in, 1) == b"", "our end of it is closed"
    for fd in (inbound, outbound, client_in):
        os.close(fd)


def test_who_asked_and_said_no_more_costs_nothing(ends: Ends) -> None:
    wire = Wire(20, ends.ours.fileno(), ends.ours.fileno())
    wire.write(b"221 bye\r\n")
    wire.part(quiet=True)
    assert not wire.parting
    ends.client.sendall(b"more")
    wire.part(quiet=True)
    assert wire.parting


def test_nobody_waits_for_one_that_was_silent_all_along(home: Home) -> None:
    """After a timeout: as long as the client says nothing, there is nothing to hear out."""
    home.control("timeoutsmtpd", "1\n")
    with Dialog(home) as smtp:
        smtp.ask(None, 220)
        assert smtp.hear().startswith("451 ") and smtp.hear() == ""
        assert smtp.process.wait(farewell.SILENCE / 2) == 1
