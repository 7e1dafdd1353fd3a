"""The client as SPF records speak of it (RFC 7208 sections 4.6.4, 5.5 and 7.3). Asks the DNS for its names, uncounted.

An IPv4 address inside an IPv6 one (`::ffff:1.2.3.4`) is an IPv4 address (section 5).
"""

from __future__ import annotations

from ..smtp import ip
from .dns import NoSuchName, Temporary, TooLate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .dns import Lookup

MOST_NAMES = 10  # of the PTR records


class ClientAddress:
    def __init__(self, packed: bytes, lookup: Lookup) -> None:
        self.ip = packed.removeprefix(ip.MAPPED) if len(packed) == 16 else packed
        self.rtype = "A" if len(self.ip) == 4 else "AAAA"
        self._lookup = lookup
        self._names: list[bytes] | None = None

    def within(self, network: bytes, bits: dict[int, int]) -> bool:
        """Whether it is in the network of an address of 4 or 16 bytes, with so many bits of it."""
        if len(network) != len(self.ip):
            return False
        host = len(network) * 8 - bits[len(network)]
        return int.from_bytes(network) >> host == int.from_bytes(self.ip) >> host

    def dotted(self) -> bytes:
        """%{i}: the bytes of an IPv4 address in decimal, the half bytes of an IPv6 address in hex."""
        if len(self.ip) == 4:
            return self.readable()
        return b".".join(b"%c" % digit for digit in self.ip.hex().upper().encode())

    def readable(self) -> bytes:
        """%{c}"""
        return ip.text(self.ip)

    def tree(self) -> bytes:
        """%{v}: the tree that names its addresses."""
        return b"in-addr" if len(self.ip) == 4 else b"ip6"

    def names(self) -> list[bytes]:
        """Its names that have its address, in lower case. Without an answer from the DNS there is none. Raises
        TooLate."""
        if self._names is None:
            found = [name.lower().removesuffix(b".") for name in self._answer(ip.pointer(self.ip), "PTR")[:MOST_NAMES]]
            self._names = [name for name in found if self.ip in self._answer(name, self.rtype)]
        return self._names

    def name(self, domain: bytes) -> bytes:
        """%{p}: of its names the domain itself, else one below it, else any, else `unknown`."""
        names = self.names()
        below = [name for name in names if is_below(name, domain)]
        return (sorted(below, key=lambda name: name != domain.lower()) + names + [b"unknown"])[0]

    def _answer(self, name: bytes, rtype: str) -> list[bytes]:
        try:
            return self._lookup(name, rtype)
        except TooLate:
            raise
        except (NoSuchName, Temporary):
            return []


def is_below(name: bytes, domain: bytes) -> bool:
    """Whether a name, in lower case, is a domain or one below it."""
    return (b"." + name).endswith(b"." + domain.lower())
