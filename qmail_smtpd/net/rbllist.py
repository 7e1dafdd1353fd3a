"""Ask the DNS lists of control/rbllist about a client (RFC 5782 section 2).

    said = ask(env, seconds, packed, bases)         {base: Listing}

All lists are asked at once. The call takes at most `seconds` and returns what was answered until then. Errors of one
list, also an invalid name, are in its own Listing and do not affect the others. Raises OSError and MemoryError if this
host lacks something (see resolver.py).
"""

from __future__ import annotations

from ..smtp import ip
from .dnsname import askable
from .resolver import Resolver


class Listing:
    """The answer of one list: `addresses` as text, sorted; none if the client is not listed. `trouble`: why there is no
    answer, "" if there is one."""

    __slots__ = ("addresses", "trouble")

    def __init__(self, addresses: list[bytes], trouble: str = "") -> None:
        self.addresses = addresses
        self.trouble = trouble


def ask(env: dict[bytes, bytes], seconds: float, client: bytes, bases: list[bytes]) -> dict[bytes, Listing]:
    """Ask the lists below the domains `bases` about a client's address, 4 or 16 bytes."""
    dns = Resolver(env, seconds)
    names = {b"%b.%b" % (ip.reverse(client), base): base for base in bases}
    said = {base: Listing([], "not a valid domain name") for name, base in names.items() if not askable(name)}
    for (name, _), answer in dns.answers((name, "A") for name in names if askable(name)):
        said[names[name]] = Listing(sorted(map(ip.text, set(answer.records))), answer.trouble)
    return said
