"""IP addresses as text and as bytes: the one module that reads and writes them (RFC 4291 section 2.2, RFC 5782
section 2).

    packed = parse(b"::ffff:192.0.2.1")      4 or 16 bytes; None if the text is no address
    bare(b"fe80::1%eth0")                    an address without its zone
    text(packed)                             the canonical text, as the kernel writes it
    reverse(packed)                          its name below in-addr.arpa, ip6.arpa or a DNS list
    network(packed, bits)                    the network that it belongs to

An IPv4-mapped IPv6 address is always treated as the IPv4 address. Text with leading zeros in an octet is no address.
Raises nothing.
"""

from __future__ import annotations

MAPPED = b"\0" * 10 + b"\xff\xff"  # what stands before an IPv4 address in IPv6 (RFC 4291 section 2.5.5.2)


def parse(text: bytes) -> bytes | None:
    """The 4 or 16 bytes of an address; None if the text is no address."""
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
    """The canonical text of an address, without a zone; None if it is no address."""
    packed = parse(bare(address))
    return None if packed is None else text(packed)


def of_socket(address: str) -> bytes | None:
    """The same for an address that the kernel has told, of which IPv4 is canonical as it is."""
    return canonical(address.encode()) if ":" in address else address.encode()


def reverse(packed: bytes) -> bytes:
    """The octets of an IPv4 address, the nibbles of an IPv6 address, last one first, separated by dots."""
    parts = map(str, packed) if len(packed) == 4 else packed.hex()
    return ".".join(reversed(list(parts))).encode()


def pointer(packed: bytes) -> bytes:
    """The name of the PTR record of an address (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    return reverse(packed) + (b".in-addr.arpa" if len(packed) == 4 else b".ip6.arpa")


def network(packed: bytes, bits: int) -> bytes:
    """The address with all but its first `bits` bits set to 0."""
    size = 8 * len(packed)
    mask = (1 << size) - (1 << (size - bits))
    return (int.from_bytes(packed, "big") & mask).to_bytes(len(packed), "big")


def literal(domain: bytes) -> bytes | None:
    """The text of the IP address in a domain that is an address literal (`[192.0.2.1]`), else None. Leading zeros are
    dropped, as the qmail-ldap family does it; what follows `[IPv6:` is returned unchecked."""
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
