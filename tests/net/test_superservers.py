"""In its place: under tcpserver and xinetd, talked to by swaks, smtplib and Postfix's smtp-source."""

from __future__ import annotations

import getpass
import re
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..smtp.test_split_input import well_formed
from ..support.home import Home, Queued
from ..support.processes import BIN, accepts, free_port, program, running, wait_until

SENDER, RECIPIENT = "s@sender.example", "u@example.org"
MESSAGE = "From: s@sender.example\r\nSubject: dots\r\n\r\n.\r\n..\r\n.leading\r\nlast\r\n"
STORED = b"From: s@sender.example\nSubject: dots\n\n.\n..\n.leading\nlast\n"


class Server:
    """A super-server that listens on `host` and `port` and runs bin/qmail-smtpd for `home`."""

    def __init__(self, home: Home, host: str, port: int) -> None:
        self.home = home
        self.host = host
        self.port = port

    def queued(self, number: int) -> list[Queued]:
        """The messages, when there are as many."""
        wait_until(lambda: len(self.home.queued()) >= number, f"{number} messages in the queue")
        assert len(self.home.queued()) == number
        return self.home.queued()

    def talk(self, said: bytes, host: str | None = None) -> bytes:
        """Say all of it at once; everything that comes back, up to the end."""
        with socket.create_connection((host or self.host, self.port), 30) as connection:
            connection.settimeout(60)
            connection.sendall(said)
            with connection.makefile("rb") as stream:
                return stream.read()


def body(message: Queued) -> bytes:
    """What the client sent: all behind our trace header, whose end is the date."""
    return message.message.partition(b" -0000\n")[2]


def trace(message: Queued) -> str:
    return message.message.partition(b" -0000\n")[0].decode("latin1")


@pytest.fixture
def tcpserver(home: Home, tmp_path: Path) -> Iterator[Server]:
    port = free_port()
    argv = [
        program("tcpserver"),
        "-v",
        "-H",
        "-R",
        "-l",
        "mx.example.org",
        "127.0.0.1",
        str(port),
        str(BIN / "qmail-smtpd"),
    ]
    env = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(home.path), "LOGLEVEL": "4"}
    with running(argv, env=env, log=tmp_path / "tcpserver.log", ready=lambda: accepts(port)):
        yield Server(home, "127.0.0.1", port)


XINETD = """
service smtp-of-a-test
{{
    type        = UNLISTED
    socket_type = stream
    protocol    = tcp
    wait        = no
    user        = {user}
    bind        = {host}
    port        = {port}
    flags       = {flags}
    server      = {server}
    env         = QMAILHOME={home} LOGLEVEL=4 PATH=/usr/bin:/bin
    instances   = UNLIMITED
    per_source  = UNLIMITED
    cps         = 10000 1
    disable     = no
}}
"""


def xinetd(home: Home, tmp_path: Path, host: str, flags: str = "") -> Iterator[Server]:
    port = free_port(host=host)
    talk_to = "127.0.0.1" if host == "::" else host
    config = tmp_path / "xinetd.conf"
    values = {"user": getpass.getuser(), "host": host, "port": port, "flags": flags, "server": BIN / "qmail-smtpd"}
    config.write_text(XINETD.format(home=home.path, **values))
    argv = [program("xinetd"), "-dontfork", "-f", str(config), "-pidfile", str(tmp_path / "pid")]
    argv += ["-filelog", str(tmp_path / "xinetd.log")]
    with running(argv, log=tmp_path / "xinetd.out", ready=lambda: accepts(port, talk_to)):
        yield Server(home, talk_to, port)


@pytest.fixture
def xinetd4(home: Home, tmp_path: Path) -> Iterator[Server]:
    yield from xinetd(home, tmp_path, "127.0.0.1")


@pytest.fixture
def xinetd6(home: Home, tmp_path: Path) -> Iterator[Server]:
    yield from xinetd(home, tmp_path, "::1", "IPv6")


@pytest.fixture
def xinetd_both(home: Home, tmp_path: Path) -> Iterator[Server]:
    """An IPv6 socket that IPv4 clients reach too: they have IPv4-mapped addresses."""
    yield from xinetd(home, tmp_path, "::", "IPv6")


@pytest.fixture(params=["tcpserver", "xinetd4"])
def server(request: pytest.FixtureRequest) -> Server:
    made: Server = request.getfixturevalue(request.param)
    return made


# Clients


def swaks(server: Server, to: str, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [program("swaks"), "--server", f"{server.host}:{server.port}", "--from", SENDER, "--to", to, *options]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_swaks(server: Server) -> None:
    done = swaks(
        server, f"{RECIPIENT},v@example.org", "--helo", "swaks.example", "--data", MESSAGE.replace("\r\n", "\\n")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"<-  250 ok \d+ qp \d+ by mx.example.org", done.stdout)
    (message,) = server.queued(1)
    assert body(message).startswith(STORED.rstrip(b"\n"))
    assert (message.sender, message.recipients) == (SENDER, [RECIPIENT, "v@example.org"])
    assert "(HELO swaks.example)" in trace(message)


def test_swaks_pipelining(server: Server) -> None:
    done = swaks(server, RECIPIENT, "--pipeline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(server.queued(1)) == 1


def test_swaks_is_refused(server: Server) -> None:
    """swaks exits 24 when no recipient was accepted."""
    done = swaks(server, "u@evil.example")
    assert done.returncode == 24, done.stdout
    assert "<** 553 " in done.stdout
    assert not server.home.queued()


def test_smtplib(server: Server) -> None:
    with smtplib.SMTP(server.host, server.port, local_hostname="python.example", timeout=60) as client:
        assert client.ehlo()[0] == 250
        assert client.has_extn("pipelining") and client.has_extn("8bitmime")
        for number in range(3):
            refused = client.sendmail(SENDER, [RECIPIENT, "u@evil.example"], MESSAGE)
            assert list(refused) == ["u@evil.example"]
            assert refused["u@evil.example"][0] == 553, number
    messages = server.queued(3)
    assert {body(message) for message in messages} == {STORED}
    assert {tuple(message.recipients) for message in messages} == {(RECIPIENT,)}


def test_smtp_source(server: Server) -> None:
    """Postfix's own load generator: 60 messages of 20 kB in eight sessions at a time, three recipients each."""
    argv = [program("smtp-source"), "-s", "8", "-m", "60", "-l", "20000", "-r", "3", "-f", SENDER, "-t", RECIPIENT]
    done = subprocess.run([*argv, f"{server.host}:{server.port}"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    messages = server.queued(60)
    assert {len(message.recipients) for message in messages} == {3}
    assert {message.sender for message in messages} == {SENDER}
    assert all(19_000 < len(body(message)) < 21_000 for message in messages)


def test_smtp_source_in_few_sessions(server: Server) -> None:
    """Many messages in one connection."""
    argv = [program("smtp-source"), "-d", "-s", "2", "-m", "40", "-l", "100", "-f", SENDER, "-t", RECIPIENT]
    done = subprocess.run([*argv, f"{server.host}:{server.port}"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(server.queued(40)) == 40


# What the program knows of the connection

SAID = f"EHLO me.example\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n{MESSAGE}.\r\n".encode()
QUIT = SAID.replace(b"\r\n.\r\n..", b"\r\n..\r\n...").replace(b".leading", b"..leading") + b"QUIT\r\n"


def test_facts_from_tcpserver(tcpserver: Server) -> None:
    assert well_formed(tcpserver.talk(QUIT))
    (message,) = tcpserver.queued(1)
    assert body(message) == STORED
    assert message.env["PROTO"] == "TCP"
    assert message.env["TCPREMOTEIP"] == "127.0.0.1"
    assert "TCPREMOTEHOST" not in message.env
    assert trace(message).startswith("Received: from unknown (HELO me.example) ([127.0.0.1])\n")
    assert "by mx.example.org (qmail-" in trace(message)


@pytest.mark.parametrize(
    ("servers", "ip", "proto"),
    [("xinetd4", "127.0.0.1", "TCP"), ("xinetd6", "::1", "TCP6"), ("xinetd_both", "127.0.0.1", "TCP")],
)
def test_facts_from_the_socket(request: pytest.FixtureRequest, servers: str, ip: str, proto: str) -> None:
    """No PROTO is set: everything comes from the socket, IPv4-mapped addresses as IPv4."""
    server: Server = request.getfixturevalue(servers)
    assert well_formed(server.talk(QUIT))
    (message,) = server.queued(1)
    assert body(message) == STORED
    assert message.env["PROTO"] == proto
    assert (message.env["TCPREMOTEIP"], message.env["TCPLOCALIP"]) == (ip, ip)
    assert message.env["TCPLOCALPORT"] == str(server.port)
    assert 0 < int(message.env["TCPREMOTEPORT"]) < 65536
    host = message.env.get("TCPREMOTEHOST", "unknown")
    assert trace(message).startswith(f"Received: from {host} (HELO me.example) ([{ip}])\n"), trace(message)
    assert f"by {ip} (qmail-" in trace(message)


ODDITIES = [
    b"EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<u@evil.example>\r\nXYZZY\r\nQUIT\r\n",
    b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nbare\nLF\r\n.\r\n",
    b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nX: " + b"x" * 11_000 + b"\r\n.\r\n",
    QUIT,
]


@pytest.mark.parametrize("said", ODDITIES, ids=["refusals", "bare LF", "long header", "delivery"])
def test_no_log_line_reaches_the_client(xinetd4: Server, said: bytes) -> None:
    """xinetd hands the client's socket to fd 2; the log is at its loudest."""
    output = xinetd4.talk(said)
    assert output.startswith(b"220 mx.example.org ESMTP")
    assert well_formed(output), output
    assert b"qmail-smtpd" not in output


def test_no_word_of_a_child_reaches_the_client(xinetd4: Server) -> None:
    """What the queue program says on fd 2 is not for the client either."""
    xinetd4.home.program("qmail-queue", "#!/bin/sh\necho chatter >&2\nexec cat >/dev/null\n")
    output = xinetd4.talk(QUIT)
    assert b"\r\n354 " in output
    assert well_formed(output), output
    assert b"chatter" not in output


def test_no_word_of_a_wrong_home_reaches_the_client(xinetd4: Server) -> None:
    (xinetd4.home.path / "control" / "me").unlink()
    output = xinetd4.talk(b"")
    assert re.fullmatch(rb"421 [^\r\n]*\(#4\.3\.0\)\r\n", output)


def test_no_word_of_a_broken_checker_reaches_the_client(xinetd4: Server) -> None:
    xinetd4.home.control("smtpcheckers", "no_such_checker\n")
    output = xinetd4.talk(b"MAIL FROM:<s@sender.example>\r\nQUIT\r\n")
    assert well_formed(output), output
    assert output.split(b"\r\n")[1].startswith(b"451 ")
