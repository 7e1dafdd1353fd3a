"""The resident mode: whatever the socket came as, each child is the single-session process of before."""

from __future__ import annotations

import ast
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..support.activation import TCP_VARIABLES, Resident, accepted
from ..support.certificates import Pki, install
from ..support.dns import zones
from ..support.home import Home, Queued
from ..support.processes import BIN, DEADLINE, program, wait_until
from ..support.smtp import connect
from ..support.tcpserver import tcpserver

NAMES4 = "".join(f"{number}.0.0 PTR client{number}.example.test.\n" for number in range(1, 10))
NAMES4 += "99.0.0 PTR Client.UPPER.example.test.\n"
NAMES6 = "1" + ".0" * 31 + " PTR client6.example.test.\n"
LEAKS_NOWHERE = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "RELAYCLIENT", "SMTPAUTHUSER", "TCPREMOTEINFO")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """$DNSCACHEIP of a name server that knows the names of the loopback addresses."""
    with zones(tmp_path_factory.mktemp("zones"), {"127.in-addr.arpa": NAMES4, "ip6.arpa": NAMES6}) as port:
        yield f"127.0.0.1:{port}"


def mail(resident: Resident, source: str = "127.0.0.1", to: str = "127.0.0.1") -> tuple[Queued, int]:
    """A message from `source`, as it was queued, and the port it came from."""
    before = len(resident.home.queued())
    with resident.connect(source, to) as client:
        client.ask(None, 220)
        client.deliver()
        port: int = client.socket.getsockname()[1]
        client.quit()
    wait_until(lambda: len(resident.home.queued()) > before, "the message is there")
    return resident.home.queued()[-1], port


def facts(message: Queued) -> dict[str, str]:
    return {name: message.env[name] for name in TCP_VARIABLES if name in message.env}


@pytest.mark.parametrize("how", ["stdin", "inetd", "fds", "both"])
def test_each_child_is_a_session_of_its_own(home: Home, names: str, how: str) -> None:
    with Resident(home, how, DNSCACHEIP=names, TCPREMOTEINFO="stale", TCPREMOTEHOST="stale") as resident:
        for number in (1, 2):
            message, port = mail(resident, f"127.0.0.{number}")
            assert facts(message) == {
                "PROTO": "TCP",
                "TCPREMOTEIP": f"127.0.0.{number}",
                "TCPREMOTEHOST": f"client{number}.example.test",
                "TCPREMOTEPORT": str(port),
                "TCPLOCALIP": "127.0.0.1",
                "TCPLOCALPORT": str(resident.port),
            }
            assert f"Received: from client{number}.example.test".encode() in message.message
            assert not [name for name in message.env if name in LEAKS_NOWHERE or name.startswith("QMAIL_SMTPD_")]
        resident.wait_for_no_sessions()


def test_variables_are_those_of_tcpserver(home: Home, tmp_path: Path) -> None:
    """All that tcpserver hands to the queue program, with the same values; ports and its own local name apart."""
    other = Home(tmp_path / "other")
    with tcpserver(other) as server, connect(("127.0.0.1", server.port)) as client:
        client.ask(None, 220)
        client.deliver()
        client.quit()
    with Resident(home) as resident:
        ours, _ = mail(resident)
    wait_until(other.queued, "the message that came by tcpserver")
    (theirs,) = other.queued()
    theirs.env.pop("TCPLOCALHOST")
    assert set(facts(theirs)) <= set(facts(ours)) <= {*facts(theirs), "TCPREMOTEHOST"}  # tcpserver was told -H
    for name in set(facts(theirs)) - {"TCPREMOTEPORT", "TCPLOCALPORT"}:
        assert ours.env[name] == theirs.env[name], name


def test_several_sockets(home: Home, names: str) -> None:
    """IPv4, IPv6, and an IPv6 socket that IPv4 clients reach."""
    with Resident(home, "fds", ("127.0.0.1", "::1", "::ffff:127.0.0.1"), DNSCACHEIP=names) as resident:
        six, _ = mail(resident, to="::1")
        assert (six.env["PROTO"], six.env["TCPREMOTEIP"], six.env["TCPLOCALIP"]) == ("TCP6", "::1", "::1")
        assert six.env["TCPREMOTEHOST"] == "client6.example.test"
        with socket.socket() as probe:  # the mapped address is 127.0.0.1 for IPv4
            probe.settimeout(DEADLINE)
            probe.bind(("127.0.0.3", 0))
            probe.connect(("127.0.0.1", resident.ports["::ffff:127.0.0.1"]))
            probe.sendall(b"MAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nx: y\r\n\r\n.\r\nQUIT\r\n")
            with probe.makefile("rb") as stream:
                assert b"\r\n221 " in stream.read()
        wait_until(lambda: len(home.queued()) == 2, "two messages")
        mapped = home.queued()[-1].env
        assert (mapped["PROTO"], mapped["TCPREMOTEIP"], mapped["TCPLOCALIP"]) == ("TCP", "127.0.0.3", "127.0.0.1")
        assert mapped["TCPREMOTEHOST"] == "client3.example.test"
        four, _ = mail(resident)
        assert four.env["PROTO"] == "TCP"


def test_a_connected_socket_is_one_session(home: Home) -> None:
    """systemd with Accept=yes: the client is fd 0 and, told by LISTEN_FDS, fd 3."""
    with accepted(home, [str(BIN / "qmail-smtpd")]) as (client, process):
        client.ask(None, 220)
        assert not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        client.deliver()
        client.quit()
        assert process.communicate(timeout=DEADLINE)[1].startswith(b"qmail-smtpd ")
        assert process.returncode == 0
    (message,) = home.queued()
    assert message.env["TCPREMOTEIP"] == "127.0.0.1"
    assert not [name for name in message.env if name in LEAKS_NOWHERE]


@pytest.mark.parametrize("how", ["stdin", "fds", "both", "accepted"])
def test_no_descriptor_is_handed_on(home: Home, how: str) -> None:
    """The queue program has its two, the log and the pipe for errors, nothing of the client or the sockets."""
    home.program(
        "qmail-queue",
        "#!/usr/bin/python3 -IS\nimport os\nfds = [fd for fd in range(100) if os.path.exists(f'/proc/self/fd/{fd}')]\n"
        "open('fds', 'w').write(repr([(fd, os.readlink(f'/proc/self/fd/{fd}').split(':')[0]) for fd in fds]))\n"
        "while os.read(0, 9999): pass\nwhile os.read(1, 9999): pass\n",
    )
    with ExitStack() as stack:
        if how == "accepted":
            client, _ = stack.enter_context(accepted(home, [str(BIN / "qmail-smtpd")]))
        else:
            client = stack.enter_context(stack.enter_context(Resident(home, how)).connect())
        client.ask(None, 220)
        client.deliver()
        client.quit()
    found = dict(ast.literal_eval((home.path / "fds").read_text()))
    assert set(found) == {0, 1, 2, 4, 6}
    assert {found[fd] for fd in (0, 1, 4, 6)} == {"pipe"}


def test_listening_sockets_of_both_kinds(home: Home) -> None:
    """One on fd 0 and another told by LISTEN_FDS: both are served."""
    with Resident(home, "two", ("127.0.0.1", "127.0.0.2")) as resident:
        mail(resident)
        mail(resident, to="127.0.0.2")


def test_a_socket_without_addresses(home: Home) -> None:
    """Variables of whoever started us are not the client's. Rules are about addresses: with them nobody is let in."""
    path = str(home.path / "socket")
    for rules in ({}, {"TCPRULES": str(home.path / "rules.cdb")}):
        compile_rules(home, ":allow\n")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(5)
            env = {**home.env(LOGLEVEL="2"), "TCPREMOTEIP": "192.0.2.66", **rules}
            del env["PROTO"]
            server = subprocess.Popen([BIN / "qmail-smtpd"], stdin=listener, env=env, stderr=subprocess.PIPE)
        with server, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(path)
            try:
                with client.makefile("rb") as stream:
                    if not rules:
                        client.sendall(b"QUIT\r\n")
                    assert [line[:3] for line in stream] == ([] if rules else [b"220", b"221"])
            finally:
                server.terminate()
            assert b"192.0.2.66" not in server.communicate(timeout=DEADLINE)[1]
        os.unlink(path)


# TCPRULES


@pytest.fixture
def ruled(home: Home, names: str) -> Iterator[Resident]:
    """A resident with rules."""
    compile_rules(home, '127.0.0.1:allow,RELAYCLIENT="",GROUP="inside"\n127.0.0.2:deny\n:allow\n')
    with Resident(home, DNSCACHEIP=names, TCPRULES=str(home.path / "rules.cdb")) as resident:
        yield resident


def compile_rules(home: Home, text: str) -> None:
    argv = [program("tcprules"), str(home.path / "rules.cdb"), str(home.path / "rules.tmp")]
    subprocess.run(argv, input=text.encode(), check=True)


def may_relay(resident: Resident, source: str) -> bool:
    with resident.connect(source) as client:
        client.ask(None, 220)
        client.ask("MAIL FROM:<s@sender.example>", 250)
        client.say("RCPT TO:<u@elsewhere.example>\r\n")
        return client.hear().startswith("250")


def is_dropped(resident: Resident, source: str) -> bool:
    with resident.connect(source) as client:
        return client.hear() == ""


def test_rules(ruled: Resident) -> None:
    assert may_relay(ruled, "127.0.0.1")
    assert not may_relay(ruled, "127.0.0.3"), "variables of one client are nothing to the next"
    assert is_dropped(ruled, "127.0.0.2")
    ruled.wait_for_log("connection from 127.0.0.2 denied by rules")
    inside, _ = mail(ruled, "127.0.0.1")
    assert (inside.env["GROUP"], inside.env["RELAYCLIENT"]) == ("inside", "")
    outside, _ = mail(ruled, "127.0.0.3")
    assert not {"GROUP", "RELAYCLIENT"} & set(outside.env)


def test_rules_are_read_again(ruled: Resident) -> None:
    assert may_relay(ruled, "127.0.0.1") and not may_relay(ruled, "127.0.0.3")
    compile_rules(ruled.home, '127.0.0.1:deny\n127.0.0.3:allow,RELAYCLIENT=""\n')
    assert is_dropped(ruled, "127.0.0.1") and may_relay(ruled, "127.0.0.3")


def test_rules_may_set_what_a_session_begins_with(home: Home, tmp_path: Path) -> None:
    """The home, the form of the log and its level, as with tcpserver, where they are there from the start."""
    other = Home(tmp_path / "other")
    other.control("me", "other.example.org\n")
    compile_rules(home, f':allow,QMAILHOME="{other.path}",LOGFORMAT="json",LOGLEVEL="2",="nameless"\n')
    with accepted(home, [str(BIN / "qmail-smtpd")], TCPRULES=str(home.path / "rules.cdb")) as (client, process):
        assert "other.example.org" in client.ask(None, 220)
        client.deliver()
        client.quit()
        assert process.communicate(timeout=DEADLINE)[1].startswith(b"{")


def test_names_count_in_lower_case(home: Home, names: str) -> None:
    compile_rules(home, "=.upper.example.test:deny\n:allow\n")
    with Resident(home, DNSCACHEIP=names, TCPRULES=str(home.path / "rules.cdb")) as resident:
        assert is_dropped(resident, "127.0.0.99")
        assert not may_relay(resident, "127.0.0.1")


@pytest.mark.parametrize("trouble", ["missing", "corrupt", "empty"])
def test_unusable_rules_let_nobody_in(ruled: Resident, trouble: str) -> None:
    rules = ruled.home.path / "rules.cdb"
    assert may_relay(ruled, "127.0.0.1")
    if trouble == "missing":
        rules.unlink()
    else:
        data = rules.read_bytes()
        rules.write_bytes(data[:2047] if trouble == "corrupt" else b"")
    for source in ("127.0.0.1", "127.0.0.3"):
        with ruled.connect(source) as client:
            assert "(#4.3.0)" in client.ask(None, 421)
            assert client.hear() == ""
    ruled.wait_for_log(f"unable to read {rules}", 2)


# One session is nothing to the next


def test_control_files_are_read_by_each_session(home: Home) -> None:
    with Resident(home) as resident, resident.connect() as early:
        early.ask(None, 220)
        home.control("rcpthosts", "example.com\n")
        with resident.connect() as late:
            late.ask(None, 220)
            late.ask("MAIL FROM:<s@sender.example>", 250)
            late.ask("RCPT TO:<u@example.com>", 250)
            late.ask("RCPT TO:<u@example.org>", 553)
        early.ask("MAIL FROM:<s@sender.example>", 250)
        early.ask("RCPT TO:<u@example.org>", 250)


def test_nothing_of_a_session_is_left(home: Home, tmp_path: Path) -> None:
    """Authentication with its right to relay, TLS, a plugin's variables: gone with their session, and not there in
    one that goes on beside it."""
    pki = Pki(tmp_path)
    install(home, pki.server())
    home.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
    plugin = home.program("mark", '#!/bin/sh\n[ "$SMTPMAILFROM" != marked@sender.example ] || echo SMARK=mine\n')
    home.control("smtpplugins", f"[mail]\n{plugin}\n")
    with Resident(home, SMTPAUTH="") as resident, resident.connect() as beside:
        beside.ask(None, 220)
        with resident.connect() as client:
            client.ask(None, 220)
            client.ask("STARTTLS", 220)
            client.socket = pki.trusting().wrap_socket(client.socket, server_hostname="mx.example.org")
            assert "STARTTLS" not in client.ask("EHLO c", 250)
            client.ask("AUTH PLAIN AGpvZQBzZWNyZXQ=", 235)
            client.deliver("u@elsewhere.example", "marked@sender.example")
            client.quit()
        wait_until(home.queued, "the first message")
        first = home.queued()[0].env
        assert (first["SMTPAUTHUSER"], first["RELAYCLIENT"], first["MARK"]) == ("joe", "", "mine")
        with resident.connect() as after:
            after.ask(None, 220)
            for client in (beside, after):
                assert "STARTTLS" in client.ask("EHLO c", 250)
                client.ask("MAIL FROM:<s@sender.example>", 250)
                client.ask("RCPT TO:<u@elsewhere.example>", 553)
                client.ask("RSET", 250)
                client.deliver()
                client.ask("AUTH PLAIN AGpvZQBzZWNyZXQ=", 235)
    wait_until(lambda: len(home.queued()) == 3, "three messages")
    for message in home.queued()[1:]:
        assert not {"SMTPAUTHUSER", "RELAYCLIENT", "MARK"} & set(message.env)
        assert b"with SMTP" in message.message


# How many


def test_more_wait_in_the_listen_queue(home: Home) -> None:
    home.control("concurrencyincoming", "2\n")
    with Resident(home) as resident, resident.connect() as one, resident.connect() as two:
        one.ask(None, 220)
        two.ask(None, 220)
        waiting = [resident.connect() for _ in range(3)]
        for _ in range(20):
            one.ask("NOOP", 250)
        assert len(resident.sessions()) == 2 and all(client.is_silent() for client in waiting)
        one.quit()
        waiting[0].ask(None, 220)
        two.socket.close()  # an end without QUIT counts as well
        waiting[1].ask(None, 220)
        assert waiting[2].is_silent()
        os.kill(resident.sessions()[0], 9)
        waiting[2].ask(None, 220)
        for client in waiting:
            client.socket.close()
        resident.wait_for_no_sessions()


def test_who_is_turned_away_and_speaks_first_hears_why(home: Home) -> None:
    """A connection that is closed with input unread would end with RST."""
    home.control("concurrencyperip", "1\n")
    with Resident(home) as resident, resident.connect() as one:
        one.ask(None, 220)
        os.killpg(resident.pid, signal.SIGSTOP)
        with resident.connect() as two:
            two.say("EHLO early.example\r\n")
            os.killpg(resident.pid, signal.SIGCONT)
            said = b""
            while block := two.socket.recv(4096):  # raises ConnectionResetError
                said += block
        assert said.startswith(b"421 ") and b"(#4.7.0)" in said


def test_sessions_of_one_address(home: Home) -> None:
    home.control("concurrencyperip", "2\n")
    with Resident(home) as resident, resident.connect() as one, resident.connect() as two:
        one.ask(None, 220)
        two.ask(None, 220)
        with resident.connect() as three:
            assert "(#4.7.0)" in three.ask(None, 421)
            assert three.hear() == ""
        resident.wait_for_log("too many connections from 127.0.0.1")
        with resident.connect("127.0.0.2") as elsewhere:
            elsewhere.ask(None, 220)
            one.quit()
            resident.wait_for_sessions(2)
            with resident.connect() as four, resident.connect() as five:
                four.ask(None, 220)
                five.ask(None, 421)
