"""IP addresses as text, as bytes, and as names."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.smtp import ip

PACKED = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (b"192.0.2.10", b"192.0.2.10"),
        (b"::ffff:192.0.2.10", b"192.0.2.10"),
        (b"0::FFFF:c000:020A", b"192.0.2.10"),
        (b"2001:DB8:0::1", b"2001:db8::1"),
        (b"fe80::1%eth0", b"fe80::1"),
        (b"::1", b"::1"),
        (b"192.0.2.010", None),
        (b"192.0.2", None),
        (b"192.0.2.10.", None),
        (b"192.0.2.10\0", None),
        (b"\xff", None),
        (b"unknown", None),
        (b"", None),
        (b"::x", None),
    ],
)
def test_canonical(text: bytes, canonical: bytes | None) -> None:
    assert ip.canonical(text) == canonical


def test_only_bare_addresses_are_parsed() -> None:
    assert ip.parse(b"fe80::1%eth0") is None
    assert ip.parse(ip.bare(b"fe80::1%eth0")) == ip_address("fe80::1").packed


@pytest.mark.parametrize(
    ("told", "canonical"),
    [
        ("192.0.2.10", b"192.0.2.10"),
        ("::ffff:192.0.2.10", b"192.0.2.10"),
        ("fe80::1%eth0", b"fe80::1"),
        ("2001:db8::1", b"2001:db8::1"),
    ],
)
def test_of_socket(told: str, canonical: bytes) -> None:
    assert ip.of_socket(told) == canonical


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        (b"[127.0.0.1]", b"127.0.0.1"),
        (b"[127.0.0.001]", b"127.0.0.1"),
        (b"[%b127.0.0.1]" % (b"0" * 40), b"127.0.0.1"),
        (b"[0.0.0.0]", b"0.0.0.0"),
        (b"[IPv6:::1]", b"::1"),
        (b"[ipv6:fe80::1]", b"fe80::1"),
        (b"127.0.0.1", None),
        (b"[127.0.0]", None),
        (b"[127.0.0.1.1]", None),
        (b"[256.0.0.1]", None),
        (b"[18446744073709551743.0.0.1]", None),
        (b"[127.0.0.-1]", None),
        (b"[127.0.0.]", None),
        (b"[127.0.0.1", None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_literal(domain: bytes, address: bytes | None) -> None:
    assert ip.literal(domain) == address


@given(PACKED)
def test_as_the_standard_library(packed: bytes) -> None:
    theirs = ip_address(packed)
    mapped = getattr(theirs, "ipv4_mapped", None)
    assert ip.parse(str(theirs).encode()) == (mapped.packed if mapped else packed)
    assert ip.pointer(packed).decode() == theirs.reverse_pointer
    assert ip_address(ip.text(packed).decode()) == theirs


@given(PACKED, st.integers(0, 128))
def test_network(packed: bytes, bits: int) -> None:
    bits = min(bits, 8 * len(packed))
    theirs = ip_network((packed, bits), strict=False)
    assert ip.network(packed, bits) == theirs.network_address.packed


@given(st.binary())
def test_anything(text: bytes) -> None:
    packed = ip.parse(text)
    assert packed is None or ip.parse(ip.text(packed)) == packed
