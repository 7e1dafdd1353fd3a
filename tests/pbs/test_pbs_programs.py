"""pbsadd, pbsdbd and pbscheck together, also under tcpserver."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from qmail_smtpd.pbs import packet

from ..support.processes import accepts, free_port, program, running, wait_until
from .site import CLIENT_BYTES, Site


def test_all_together_under_tcpserver(tmp_path: Path) -> None:
    site = Site(tmp_path / "home", pbsenv="USER=TCPREMOTEINFO=[pbs]\nFOO=BAR\nPLAIN\nEMPTY\n")
    smtp, pop = free_port(), free_port()
    script = site.home.program("qmail-smtpd", '#!/bin/sh\necho "220 ${RELAYCLIENT-no} $TCPREMOTEINFO $BAR $PLAIN"\n')
    # Found in PATH, not relative to the home.
    env = site.env(TCPREMOTEIP=None, PATH=f"{script.parent}:/usr/bin:/bin")
    login = {**env, "USER": "joe", "FOO": "2", "PLAIN": "x=y"}
    tcpserver = [program("tcpserver"), "-RHl", "mx.example.org", "127.0.0.1"]
    with (
        site.server(),
        running([*tcpserver, str(smtp), "pbscheck", "qmail-smtpd"], env=env, ready=lambda: accepts(smtp)),
    ):
        assert said(smtp) == b"220 no   \n"
        with running([*tcpserver, str(pop), "pbsadd", "echo", "+OK"], env=login, ready=lambda: accepts(pop)):
            assert said(pop) == b"+OK\n"
        assert said(smtp) == b"220  [pbs]joe 2 x=y\n"


def said(port: int) -> bytes:
    """All that a server says."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection, connection.makefile("rb") as file:
        return file.read()


def test_add_then_check(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.server():
        assert not site.may_relay()
        done = site.run("pbsadd")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert site.check()["RELAYCLIENT"] == ""
        assert not site.may_relay(TCPREMOTEIP="192.0.2.1")


def test_add_starts_its_program(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.run("pbsadd", "sh", "-c", "echo $0 $1; exit 3", "a", "b").stdout == b"a b\n"
    done = site.run("pbsadd", "no-such-program")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"No such file or directory" in done.stderr


def test_expiry(tmp_path: Path) -> None:
    site = Site(tmp_path, pbstimeout="1\n")
    with site.server():
        assert site.run("pbsadd").returncode == 0
        wait_until(lambda: not site.may_relay(), "the address is forgotten")
        assert site.run("pbsadd").returncode == 0


def test_cache_size(tmp_path: Path) -> None:
    site = Site(tmp_path, pbscachesize="40\n")  # two addresses
    with site.server():
        for number in (1, 2, 3):
            site.run("pbsadd", TCPREMOTEIP=f"192.0.2.{number}")
        assert [site.may_relay(TCPREMOTEIP=f"192.0.2.{number}") for number in (1, 2, 3)] == [
            False,
            True,
            True,
        ]


def test_wrong_secret(tmp_path: Path) -> None:
    site = Site(tmp_path / "server")
    other = Site(tmp_path / "other", pbsport=f"{site.port}\n", pbssecret="open\n")
    with site.server():
        assert other.run("pbsadd").returncode == 0
        assert not site.may_relay()
    assert "wrong secret from 127.0.0.1:" in site.log.read_text()


def test_server_survives_anything(tmp_path: Path) -> None:
    site = Site(tmp_path)
    added, _ = packet.add(CLIENT_BYTES, b"sesame", [(b"USER", b"joe")])
    with site.server(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        for data in (b"", *[added[:length] for length in range(len(added))], bytes(60_000), os.urandom(1024)):
            wire.sendto(data, ("127.0.0.1", site.port))
        assert not site.may_relay()
        wire.sendto(added, ("127.0.0.1", site.port))
        assert site.may_relay()


def test_a_server_on_all_addresses_answers_from_the_one_it_was_asked_at(tmp_path: Path) -> None:
    site = Site(tmp_path, "127.0.0.5", pbsip="0.0.0.0\n")
    with site.server():
        assert site.run("pbsadd").returncode == 0
        assert site.may_relay()


def test_dead_servers(tmp_path: Path) -> None:
    """Additions go to all servers; a live one is found whatever is dead before it."""
    site = Site(tmp_path, "127.0.0.2", "127.0.0.3", pbsip="127.0.0.3\n")
    with site.server():
        assert site.run("pbsadd").returncode == 0
        assert site.may_relay()


@pytest.mark.parametrize("secret", [None, "\n", "x" * 256 + "\n"])
def test_no_secret(tmp_path: Path, secret: str | None) -> None:
    site = Site(tmp_path)
    path = site.home.path / "control/pbssecret"
    path.unlink() if secret is None else path.write_text(secret)
    done = site.run("pbsadd", "echo", "+OK")
    assert (done.returncode, done.stdout) == (1, b"") and b"pbssecret" in done.stderr
    done = site.run("pbsdbd")
    assert (done.returncode, done.stdout) == (111, b"") and b"pbssecret" in done.stderr


def test_server_that_cannot_start(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.server():
        done = site.run("pbsdbd")
        assert done.returncode == 111 and b"Address already in use" in done.stderr
    site.home.control("pbsip", "localhost\n")
    assert site.run("pbsdbd").returncode == 111


def test_a_variable_too_large_for_the_packet(tmp_path: Path) -> None:
    site = Site(tmp_path, pbsenv="LONG\nUSER\n")
    with site.server():
        done = site.run("pbsadd", LONG="x" * 300, USER="joe")
        assert done.returncode == 0 and b"too large, left out: $LONG" in done.stderr
        env = site.check()
    assert env["USER"] == "joe" and env["RELAYCLIENT"] == "" and "LONG" not in env
