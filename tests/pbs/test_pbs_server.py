"""pbsdbd without its socket: what is remembered, for how long, and how much of it."""

from __future__ import annotations

import tracemalloc

import pytest

from qmail_smtpd.logs.log import Log
from qmail_smtpd.pbs import packet
from qmail_smtpd.pbs.server import ENTRY_COST, AddressCache, PbsServer

SENDER = b"192.0.2.1:1024"


def address(number: int) -> bytes:
    return number.to_bytes(4, "big")


def test_expiry_and_renewal() -> None:
    cache = AddressCache(1000, 600)
    cache.add(address(1), b"\0", 100.0)
    assert cache.find(address(1), 699.9) == b"\0"
    assert cache.find(address(1), 700.0) is None
    cache.add(address(1), b"\1", 650.0)
    assert cache.find(address(1), 1249.9) == b"\1"
    assert cache.find(address(2), 100.0) is None


def test_no_lifetime() -> None:
    cache = AddressCache(1000, 0)
    cache.add(address(1), b"\0", 100.0)
    assert cache.find(address(1), 100.0) is None


def test_the_oldest_goes_first() -> None:
    cost = ENTRY_COST + 4 + 1
    cache = AddressCache(3 * cost, 600)
    for number in (1, 2, 3, 1, 4):
        cache.add(address(number), b"\0", 0.0)
    assert [cache.find(address(number), 1.0) for number in (1, 2, 3, 4)] == [b"\0", None, b"\0", b"\0"]
    assert cache.size == 3 * cost


def test_size_is_bounded_whatever_comes() -> None:
    cache = AddressCache(10_000, 600)
    for number in range(5_000):
        cache.add(address(number % 700), bytes(number % 300), float(number))
        assert cache.size <= 10_000
        assert cache.find(address(number % 700), float(number)) is not None
    for number in range(5_000, 5_700):
        cache.add(address(number), b"\0", 6_000.0)
    assert cache.size == 10_000 // (ENTRY_COST + 5) * (ENTRY_COST + 5)


def test_an_entry_larger_than_the_cache() -> None:
    cache = AddressCache(20, 600)
    cache.add(address(1), b"\0", 0.0)
    cache.add(address(2), bytes(100), 0.0)
    assert cache.find(address(2), 0.0) is None
    assert cache.size == 0


def test_requests() -> None:
    server = PbsServer(AddressCache(1000, 600), b"secret", Log(b"pbsdbd", 0))
    query = packet.query(address(1))
    assert server.respond(query, SENDER, 0.0) == b"R\x04" + address(1) + b"N"
    assert server.respond(packet.add(address(1), b"secret", [(b"A", b"b")])[0], SENDER, 0.0) is None
    assert server.respond(query, SENDER, 0.0) == b"R\x04" + address(1) + b"R\x01\x03A=b"
    assert server.respond(query, SENDER, 600.0) == b"R\x04" + address(1) + b"N"


def test_ipv6_addresses_are_kept_too() -> None:
    server = PbsServer(AddressCache(1000, 600), b"secret", Log(b"pbsdbd", 0))
    server.respond(packet.add(bytes(16), b"secret", [])[0], SENDER, 0.0)
    assert server.respond(packet.query(bytes(16)), SENDER, 0.0) == b"R\x10" + bytes(16) + b"R\0"


@pytest.mark.parametrize("secret", [b"", b"secre", b"secret\0", b"Secret", b"x" * 255])
def test_wrong_secret(secret: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    server = PbsServer(AddressCache(1000, 600), b"secret", Log(b"pbsdbd", 0))
    assert server.respond(packet.add(address(1), secret, [])[0], SENDER, 0.0) is None
    assert server.cache.size == 0
    assert "warning: wrong secret from 192.0.2.1:1024\n" in capfd.readouterr().err


@pytest.mark.parametrize("data", [b"", b"Q", b"Q\x04abc", b"R\x04abcdR\x00", b"X\x04abcd\0", bytes(2000)])
def test_bad_packets(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    server = PbsServer(AddressCache(1000, 600), b"secret", Log(b"pbsdbd", 0))
    assert server.respond(data, SENDER, 0.0) is None
    assert "warning: bad packet from 192.0.2.1:1024\n" in capfd.readouterr().err


def test_an_answer_is_at_most_three_times_as_long(capfd: pytest.CaptureFixture[str]) -> None:
    server = PbsServer(AddressCache(10_000, 600), b"secret", Log(b"pbsdbd", 0))
    variables = [(b"LONG", b"x" * 200), (b"A", b"b"), (b"B", b"y" * 240), (b"C", b"z" * 240), (b"USER", b"joe")]
    server.respond(packet.add(address(1), b"secret", variables)[0], SENDER, 0.0)
    plain = packet.query(address(1))
    assert server.respond(plain, SENDER, 0.0) == b"R\x04" + address(1) + b"R\x02\x03A=b\x08USER=joe"
    asked = packet.query(address(1), b"n" * 16)
    answer = server.respond(asked, SENDER, 0.0)
    assert answer is not None and len(answer) <= 3 * len(asked)
    whole = packet.verified(answer, b"secret", b"n" * 16)
    assert whole is not None and packet.read_reply(whole, address(1)) == variables
    assert packet.verified(answer, b"secret", b"m" * 16) is None
    short = server.respond(asked[:40], SENDER, 0.0)
    assert short is not None and len(short) <= 120, "padding is what pays for it"
    refusal = server.respond(packet.query(address(2), b"n" * 16), SENDER, 0.0)
    assert refusal is not None and packet.verified(refusal, b"secret", b"n" * 16) == b"R\x04" + address(2) + b"N"


def test_nonsense_does_not_fill_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    server = PbsServer(AddressCache(1000, 600), b"secret", Log(b"pbsdbd", 0))
    for number in range(3000):
        server.respond(b"Z", SENDER, number / 1000)
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 3 and said[1].endswith("bad packet from 192.0.2.1:1024 (and 999 like it before)")


def test_memory_is_what_the_manual_says() -> None:
    """Addresses without variables are what costs most around the bytes that are counted."""
    tracemalloc.start()
    try:
        cache = AddressCache(1 << 20, 600)
        for number in range(2 * (1 << 20) // (ENTRY_COST + 5)):
            cache.add(address(number), b"\0", 0.0)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert cache.size > (1 << 20) - 20
    assert used < 16 << 20
