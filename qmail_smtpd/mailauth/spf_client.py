"""The client's address and names in the forms that SPF needs (RFC 7208 sections 4.6.4, 5.5 and 7.3).

An IPv4-mapped IPv6 address (`::ffff:1.2.3.4`) is treated as the IPv4 address (section 5). The DNS questions for the
client's names do not count towards the limits of spf_limits.py.
"""

from __future__ import annotations

from ..smtp import ip
from .dns import NoSuchName, Temporary, TooLate
from .names import within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .dns import Lookup

MOST_NAMES = 10  # PTR records that are used


class ClientAddress:
    """An address of 4 or 16 bytes. `names` and `name` ask the DNS and raise TooLate."""

    def __init__(self, packed: bytes, lookup: Lookup) -> None:
        self.ip = packed.removeprefix(ip.MAPPED) if len(packed) == 16 else packed
        self.rtype = "A" if len(self.ip) == 4 else "AAAA"
        self._lookup = lookup
        self._names: list[bytes] | None = None

    def within(self, network: bytes, bits: dict[int, int]) -> bool:
        """Whether it is in a network: an address of 4 or 16 bytes, and for each length the bits that count."""
        if len(network) != len(self.ip):
            return False
        host = len(network) * 8 - bits[len(network)]
        return int.from_bytes(network) >> host == int.from_bytes(self.ip) >> host

    def dotted(self) -> bytes:
        """%{i}: the bytes of an IPv4 address in decimal, the nibbles of an IPv6 address in hex, separated by dots."""
        if len(self.ip) == 4:
            return self.readable()
        return b".".join(b"%c" % digit for digit in self.ip.hex().upper().encode())

    def readable(self) -> bytes:
        """%{c}: the address as text."""
        return ip.text(self.ip)

    def tree(self) -> bytes:
        """%{v}: the tree of the DNS with names of such addresses."""
        return b"in-addr" if len(self.ip) == 4 else b"ip6"

    def names(self) -> list[bytes]:
        """Its host names that have this address, in lower case; none if the DNS gives no answer. Raises TooLate."""
        if self._names is None:
            found = [name.lower().removesuffix(b".") for name in self._answer(ip.pointer(self.ip), "PTR")[:MOST_NAMES]]
            self._names = [name for name in found if self.ip in self._answer(name, self.rtype)]
        return self._names

    def name(self, domain: bytes) -> bytes:
        """%{p}: one of its names: the domain itself, else a subdomain of it, else any, else `unknown`."""
        names = self.names()
        below = [name for name in names if within(name, domain.lower())]
        return (sorted(below, key=lambda name: name != domain.lower()) + names + [b"unknown"])[0]

    def _answer(self, name: bytes, rtype: str) -> list[bytes]:
        try:
            return self._lookup(name, rtype)
        except TooLate:
            raise
        except (NoSuchName, Temporary):
            return []
