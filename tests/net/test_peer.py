"""Who is at the other end (SPEC section 1)."""

from __future__ import annotations

import socket

import pytest

from qmail_smtpd.net.peer import describe_peer, is_local_ip
from qmail_smtpd.smtp.client import Client


@pytest.mark.parametrize(
    ("remote", "proto"), [("192.0.2.9", b"TCP"), ("::ffff:192.0.2.9", b"TCP"), ("2001:db8::9", b"TCP6")]
)
def test_the_variables_of_tcpserver(remote: str, proto: bytes) -> None:
    """What another connection has left in the environment goes."""
    env = {b"TCPREMOTEHOST": b"stale.example", b"TCPREMOTEINFO": b"stale", b"OTHER": b"stays"}
    describe_peer(env, (remote, 4000), ("::ffff:192.0.2.1", 25))
    assert env == {
        b"PROTO": proto,
        b"TCPREMOTEIP": remote.removeprefix("::ffff:").encode(),
        b"TCPREMOTEPORT": b"4000",
        b"TCPLOCALIP": b"192.0.2.1",
        b"TCPLOCALPORT": b"25",
        b"OTHER": b"stays",
    }


def test_unknown_clients() -> None:
    client = Client({})
    assert (client.ip, client.host, client.info, client.local) == (b"unknown", b"unknown", None, b"unknown")


def test_ours_and_others() -> None:
    for ip in (b"127.0.0.1", b"127.8.9.10", b"0.0.0.0"):
        assert is_local_ip(ip), ip
    for ip in (
        b"192.0.2.1",
        b"203.0.113.9",
        b"255.255.255.255",
        b"224.0.0.1",
        b"",
        b"x",
        b"127.1",
        b"2001:db8::1",
        b"ff02::1",
        b"::x",
    ):
        assert not is_local_ip(ip), ip


def test_the_address_of_an_interface() -> None:
    """The one that routes to the world, if there is any."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        assert is_local_ip(probe.getsockname()[0].encode())
