"""How the DNS lists of control/rbllist are asked (RFC 5782 section 2).

    said = ask(env, seconds, packed, bases)         {base: Said}

All lists are asked at once; the call is over within `seconds`, with what came in until then. No list can spoil the
answer of another: whatever goes wrong with one is in its own Said, also a name that cannot be asked. What is lacking
on this host is raised (see resolver.py).
"""

from __future__ import annotations

from ..smtp import ip
from .dnsname import askable
from .resolver import Resolver


class Said:
    """What a list says: its addresses, none if it does not know the client. `trouble`: why it could not be asked."""

    __slots__ = ("addresses", "trouble")

    def __init__(self, addresses: list[bytes], trouble: str = "") -> None:
        self.addresses = addresses
        self.trouble = trouble


def ask(env: dict[bytes, bytes], seconds: float, client: bytes, bases: list[bytes]) -> dict[bytes, Said]:
    """Ask the lists under `bases` (each once) about a client, 4 or 16 bytes."""
    dns = Resolver(env, seconds)
    names = {b"%b.%b" % (ip.reverse(client), base): base for base in bases}
    said = {base: Said([], "not a name that can be asked") for name, base in names.items() if not askable(name)}
    for (name, _), answer in dns.answers((name, "A") for name in names if askable(name)):
        said[names[name]] = Said(sorted(map(ip.text, set(answer.records))), answer.trouble)
    return said
