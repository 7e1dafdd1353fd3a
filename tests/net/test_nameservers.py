"""Which servers are asked: SPEC section 9."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.net import nameservers

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        (b"", []),
        (b"192.0.2.1", [(V4, ("192.0.2.1", 53))]),
        (b" 192.0.2.1  192.0.2.2\t192.0.2.1", [(V4, ("192.0.2.1", 53)), (V4, ("192.0.2.2", 53))]),
        (b"192.0.2.1:5353 192.0.2.2", [(V4, ("192.0.2.1", 5353)), (V4, ("192.0.2.2", 53))]),
        (b"2001:DB8::1", [(V6, ("2001:db8::1", 53, 0, 0))]),
        (b"[2001:db8::1]", [(V6, ("2001:db8::1", 53, 0, 0))]),
        (b"[2001:db8::1]:54 192.0.2.1:54", [(V6, ("2001:db8::1", 54, 0, 0)), (V4, ("192.0.2.1", 54))]),
        (b"fe80::1%lo fe80::1%1 fe80::1%nowhere", [(V6, ("fe80::1", 53, 0, 1)), (V6, ("fe80::1", 53, 0, 0))]),
        (b"[::1]x [::1]: 1.2.3.4: 1.2.3.4:0 1.2.3.4:65536 1.2.3.4:-1 1.2.3.4:\xb2 x [ ] [] : \xff \0", []),
    ],
)
def test_of_words(text: bytes, servers: list[object]) -> None:
    assert nameservers.of_words(text.split()) == servers


@given(st.binary())
def test_anything(text: bytes) -> None:
    for family, address in nameservers.of_words(text.split()):
        assert family in (V4, V6) and 0 < address[1] < 65536
        socket.inet_pton(family, address[0])


@pytest.fixture
def resolv_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(nameservers, "RESOLV_CONF", str(tmp_path / "resolv.conf"))
    return tmp_path / "resolv.conf"


def test_the_servers_of_the_system(resolv_conf: Path) -> None:
    resolv_conf.write_text(
        "# nameserver 192.0.2.9\nsearch example.net\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 # near\n"
        "nameserver\nnameserver 300.1.1.1\n nameserver fe80::1%lo\nnameservers 192.0.2.8\n"
    )
    expected = [(V4, ("192.0.2.1", 53)), (V6, ("2001:db8::1", 53, 0, 0)), (V6, ("fe80::1", 53, 0, 1))]
    assert nameservers.nameservers({}) == expected
    assert nameservers.nameservers({b"DNSCACHEIP": b"x"}) == expected
    assert nameservers.nameservers({b"DNSCACHEIP": b"192.0.2.7"}) == [(V4, ("192.0.2.7", 53))]


def test_this_host_without_any(resolv_conf: Path) -> None:
    assert nameservers.nameservers({}) == [(V4, ("127.0.0.1", 53))]
    resolv_conf.write_text("")
    assert nameservers.nameservers({}) == [(V4, ("127.0.0.1", 53))]


def test_a_file_that_cannot_be_read_is_no_file_without_servers(resolv_conf: Path) -> None:
    resolv_conf.mkdir()
    with pytest.raises(OSError, match="directory"):
        nameservers.nameservers({})


def test_not_without_end(resolv_conf: Path) -> None:
    resolv_conf.write_text("".join(f"nameserver 192.0.2.{number}\n" for number in range(50)))
    assert len(nameservers.nameservers({})) == nameservers.MOST
