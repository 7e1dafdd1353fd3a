"""IP addresses: the one place where their text is read and written (RFC 4291 section 2.2, RFC 5782 section 2).

    packed = parse(b"::ffff:192.0.2.1")      4 or 16 bytes, None for what is no address
    bare(b"fe80::1%eth0")                    an address without its zone
    text(packed)                             in its canonical form, as the kernel writes it
    reverse(packed)                          its name below in-addr.arpa, ip6.arpa or a DNS list
    network(packed, bits)                    the net it lies in

An IPv4 address mapped into IPv6 is the IPv4 address, whoever writes it. Octets with leading zeros are no address.
"""

from __future__ import annotations

MAPPED = b"\0" * 10 + b"\xff\xff"  # what stands before an IPv4 address in IPv6 (RFC 4291 section 2.5.5.2)


def parse(text: bytes) -> bytes | None:
    """The 4 or 16 bytes of an address; None if it is none."""
    import _socket  # the C part alone: `socket` costs as much as the whole session

    try:
        packed = _socket.inet_pton(_socket.AF_INET6 if b":" in text else _socket.AF_INET, text.decode("ascii"))
    except (OSError, ValueError):  # ValueError: not even ASCII, or a NUL
        return None
    return packed[-4:] if len(packed) == 16 and packed.startswith(MAPPED) else packed


def bare(text: bytes) -> bytes:
    return text.partition(b"%")[0]


def text(packed: bytes) -> bytes:
    """`192.0.2.1` or `2001:db8::1`."""
    import _socket

    return _socket.inet_ntop(_socket.AF_INET if len(packed) == 4 else _socket.AF_INET6, packed).encode()


def canonical(address: bytes) -> bytes | None:
    """An address without its zone, written as `text` does; None if it is none."""
    packed = parse(bare(address))
    return None if packed is None else text(packed)


def reverse(packed: bytes) -> bytes:
    """The octets of IPv4, the nibbles of IPv6, last first, with dots between."""
    parts = map(str, packed) if len(packed) == 4 else packed.hex()
    return ".".join(reversed(list(parts))).encode()


def pointer(packed: bytes) -> bytes:
    """The name that a host's name is asked for by (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    return reverse(packed) + (b".in-addr.arpa" if len(packed) == 4 else b".ip6.arpa")


def network(packed: bytes, bits: int) -> bytes:
    """The address with all but its first `bits` bits set to 0."""
    size = 8 * len(packed)
    mask = (1 << size) - (1 << (size - bits))
    return (int.from_bytes(packed, "big") & mask).to_bytes(len(packed), "big")


def literal(domain: bytes) -> bytes | None:
    """The IP address of a domain that is an address literal in brackets, else None. Leading zeros are
    decimal, as in the family; what follows `[IPv6:` is taken as it is."""
    if not (domain.startswith(b"[") and domain.endswith(b"]")):
        return None
    text = domain[1:-1]
    if text[:5].lower() == b"ipv6:":
        return text[5:]
    octets = text.split(b".")
    if len(octets) != 4 or not all(
        octet.isdigit() and len(octet.lstrip(b"0")) < 4 and int(octet) < 256 for octet in octets
    ):
        return None
    return b".".join(b"%d" % int(octet) for octet in octets)
