"""How the DNS lists of control/rbllist are asked: with pydnsbl's checker, over our resolver (RFC 5782 section 2).

    said = ask(env, seconds, ip, bases)         {base: Said}

All lists are asked at once; the call is over within `seconds`, with what came in until then. No list can spoil the
answer of another: whatever goes wrong with one is in its own Said. Nothing is raised for odd names.
Importing this module costs some 50 ms (asyncio, aiodns, pydnsbl) and starts no thread; see resolver.py.
"""

from __future__ import annotations

from . import resolver

# The path to pydnsbl is known since resolver was imported.
from pydnsbl.checker import DNSBLIpChecker, DNSBLResponse  # type: ignore[import-untyped]  # isort: skip
from pydnsbl.providers import Provider  # type: ignore[import-untyped]  # isort: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Said:
    """What a list says: its addresses, none if it does not know the client. `trouble`: why it could not be asked."""

    __slots__ = ("addresses", "trouble")

    def __init__(self, addresses: list[str], trouble: str = "") -> None:
        self.addresses = addresses
        self.trouble = trouble


def ask(env: dict[bytes, bytes], seconds: float, ip: str, bases: list[bytes]) -> dict[bytes, Said]:
    """Ask the lists under `bases` (each once) about a client; `ip` is IPv4 or IPv6 as inet_ntop writes it."""
    lists = [_List(base) for base in bases]

    async def question(dns: resolver.Resolver) -> Any:
        return await _Checker(lists, dns).check_async(ip)

    result = resolver.consult(env, seconds, question)
    return {one.base: Said(result.detected_by.get(one.host, []), one.trouble) for one in lists}


class _List(Provider):  # type: ignore[misc]
    """pydnsbl's idea of a list. Its `categories` are, for us, the addresses themselves: their meaning is MATCHON's."""

    def __init__(self, base: bytes) -> None:
        super().__init__(base.decode("latin1"))
        self.base = base
        self.trouble = ""

    def process_response(self, response: list[str]) -> list[str]:
        return sorted(set(response))


class _Checker(DNSBLIpChecker):  # type: ignore[misc]
    """pydnsbl's checker with a resolver that honours $DNSCACHEIP and a deadline. Its own would do neither, take an
    empty answer for an error, and let one name that cannot be encoded end the whole check."""

    def __init__(self, lists: list[_List], dns: resolver.Resolver) -> None:
        self.providers = lists  # not the base's __init__: all it adds is a resolver, with a thread, that nobody asks
        self._dns = dns

    async def dnsbl_request(self, request: str, provider: _List) -> Any:
        response = None
        try:
            response = await self._dns.addresses(f"{self.prepare_query(request)}.{provider.host}")
        except resolver.Unavailable as error:
            provider.trouble = str(error)
        except Exception as error:
            provider.trouble = f"{type(error).__name__}: {error}"
        return DNSBLResponse(addr=request, provider=provider, response=response, error=provider.trouble)
