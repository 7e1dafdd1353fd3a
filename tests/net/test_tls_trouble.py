"""Handshakes that fail or never end: no reply, exit 1 (SPEC sections 1 and 10)."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import pytest

from qmail_smtpd.net.tls import Encryption
from qmail_smtpd.net.wire import ClientGone, ReadTimeout, Wire

from ..support.certificates import Pki
from ..support.home import Home
from ..support.processes import DEADLINE, ROOT
from ..support.tls import SmtpClient


def in_handshake(home: Home, **env: str) -> SmtpClient:
    """A client whose next byte is one of the handshake."""
    client = SmtpClient(home, **env)
    if env.get("SMTPS") != "1":
        assert client.code() == 220
        assert client.say(b"STARTTLS") == [220]
    return client


@pytest.mark.parametrize("smtps", ["0", "1"])
def test_silence(tls_home: Home, smtps: str) -> None:
    tls_home.control("timeoutsmtpd", "1\n")
    with in_handshake(tls_home, SMTPS=smtps) as client:
        assert client.rest() == b""
        assert client.wait() == 1
    assert "handshake failed: too slow" in client.log


CROWDED = """
import posix, sys
sys.path.insert(0, {root!r})
from qmail_smtpd import main
from qmail_smtpd.net import wire
wire.CROWDED = wire.LOOK_AGAIN = {seconds}
wire.Place.crowded = lambda self: True
posix._exit(main.serve(dict(posix.environ)))
"""
SLOW = """
from qmail_smtpd.checker import Checker
from qmail_smtpd.net import wire
class Slow(Checker):
    def connect(self, session, event):
        if session.encryption:
            now = wire.monotonic
            wire.monotonic = lambda: now() + 1000
def setup(config):
    return Slow()
"""


@contextmanager
def crowded(home: Home, seconds: float, **env: str) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """A client of a session that others wait for, and which may be idle for so many seconds."""
    ours, its = socket.socketpair()
    ours.settimeout(DEADLINE)
    argv = [sys.executable, "-c", CROWDED.format(root=str(ROOT), seconds=seconds)]
    env = home.env(LOGLEVEL="3", **env)
    with ours, subprocess.Popen(argv, stdin=its, stdout=its, stderr=subprocess.PIPE, env=env) as process:
        its.close()
        yield ours, process


def test_silence_keeps_no_place_that_others_need(tls_home: Home) -> None:
    """With SMTPS a client that has not begun the handshake has not even been greeted."""
    tls_home.control("timeoutsmtpd", "3600\n")
    with crowded(tls_home, 0.01, SMTPS="1") as (_, process):
        assert b"handshake failed: too slow" in process.communicate(timeout=DEADLINE)[1]


def test_a_client_does_not_pay_for_the_time_of_our_checks(tls_home: Home, pki: Pki) -> None:
    """After STARTTLS they are asked about its connection again."""
    (tls_home.path / "slow.py").write_text(SLOW)
    tls_home.control("smtpcheckers", "slow\n")
    with crowded(tls_home, 500.0) as (client, _):
        assert client.recv(999).startswith(b"220 ")
        client.sendall(b"STARTTLS\r\n")
        assert client.recv(999).startswith(b"220 ")
        with pki.trusting().wrap_socket(client, server_hostname="mx.example.org") as encrypted:
            encrypted.sendall(b"EHLO x\r\nQUIT\r\n")
            assert encrypted.recv(999).startswith(b"250")


@pytest.mark.parametrize("smtps", ["0", "1"])
def test_a_handshake_that_trickles_in_is_bounded_as_a_whole(tls_home: Home, pki: Pki, smtps: str) -> None:
    """A byte every few milliseconds would go on for much longer than timeoutsmtpd allows."""
    tls_home.control("timeoutsmtpd", "1\n")
    hello = client_hello(pki)
    with in_handshake(tls_home, SMTPS=smtps) as client:
        # The header of a large handshake message first: OpenSSL waits for its end.
        client.raw_send(hello[:3] + b"\x3f\xff" + hello[5:6] + b"\x00\x3f\xfb")
        while client.process.poll() is None:
            client.raw_send(b"\x03")
            try:
                client.process.wait(0.005)
            except subprocess.TimeoutExpired:
                pass
        assert client.rest() == b""
        assert client.wait() == 1
    assert "handshake failed: too slow" in client.log


def client_hello(pki: Pki) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = pki.trusting().wrap_bio(incoming, outgoing, server_hostname="mx.example.org")
    with pytest.raises(ssl.SSLWantReadError):
        engine.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("smtps", ["0", "1"])
@pytest.mark.parametrize(
    "garbage",
    [
        b"EHLO a\r\nMAIL FROM:<s@a.example>\r\n",
        b"\0" * 100000,
        b"\x16\x03\x01\xff\xff" + b"A" * 70000,
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_garbage(tls_home: Home, smtps: str, garbage: bytes) -> None:
    """An alert at most, never a reply."""
    with in_handshake(tls_home, SMTPS=smtps) as client:
        client.raw_send(garbage)
        answer = client.rest()
        assert client.wait() == 1
    assert len(answer) <= 7 and answer[:1] in (b"", b"\x15")
    assert "handshake failed: " in client.log


@pytest.mark.parametrize("smtps", ["0", "1"])
def test_leaving_in_the_handshake(tls_home: Home, pki: Pki, smtps: str) -> None:
    hello = client_hello(pki)
    for sent in (b"", hello[:50], hello):
        with in_handshake(tls_home, SMTPS=smtps) as client:
            client.raw_send(sent)
            client.hang_up()
            assert client.wait() == 1


def test_a_client_that_does_not_trust_us(tls_home: Home, pki: Pki) -> None:
    """Its alert ends the session, and the log has the reason."""
    with in_handshake(tls_home) as client:
        with pytest.raises(ssl.SSLCertVerificationError):
            client.handshake(pki.trusting(authority="other"))
        client.rest_raw()
        assert client.wait() == 1
    assert "handshake failed: tlsv1 alert unknown ca" in client.log


def test_the_session_limit_says_nothing_into_a_handshake(tls_home: Home) -> None:
    tls_home.control("sessiontimeout", "1\n")
    with in_handshake(tls_home) as client:
        assert client.rest() == b""
        assert client.wait() == 1


def test_a_server_name_that_is_no_text(tls_home: Home, pki: Pki) -> None:
    """Names are ASCII; another ends the handshake, and the log stays one line an event."""
    hello = client_hello(pki).replace(b"mx.example.org", b"mx.ex\xffmple.org")
    with in_handshake(tls_home) as client:
        client.raw_send(hello)
        assert client.rest()[:1] == b"\x15"
        assert client.wait() == 1
    assert all(line.startswith("qmail-smtpd ") for line in client.log.splitlines())


# Encryption itself


class Endless(Wire):
    """There is always one more byte."""

    def receive(self, deadline: float | None = None) -> bytes:
        return b"\x16"


def test_a_deadline_holds_also_when_there_is_always_a_byte(pki: Pki) -> None:
    with pytest.raises(ReadTimeout):
        Encryption(Endless(DEADLINE), server_side(pki)).shake_hands(monotonic())


def test_nobody_minds_that_the_client_left_after_the_last_reply(pki: Pki) -> None:
    """close_notify has nowhere to go then."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        engine = Encryption(Wire(DEADLINE, theirs.fileno(), theirs.fileno()), server_side(pki))
        shaking = threading.Thread(target=engine.shake_hands, args=[monotonic() + DEADLINE])
        shaking.start()
        client = pki.trusting().wrap_socket(ours, server_hostname="mx.example.org")
        shaking.join(DEADLINE)
        client.close()
        with pytest.raises(ClientGone):
            engine.write(b"250 ok\r\n")
        engine.close()


def server_side(pki: Pki) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server().certificate, pki.server().key)
    return context
