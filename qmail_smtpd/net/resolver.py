"""Questions to the DNS over aiodns, bounded in time (SPEC section 9).

    found = consult(env, seconds, ask)

runs the coroutine function `ask` with a Resolver, in an event loop that lives no longer than the call. Servers are
those of $DNSCACHEIP (`ip`, `ip:port`, `[v6]:port`, separated by blanks; words that are none of these are left out),
else those of the system (/etc/resolv.conf, read by c-ares). Every question a Resolver is asked has its answer, or
raises Unavailable, before the `seconds` are over. What was cut off in UDP is asked again over TCP. Search domains and
/etc/hosts play no part. Importing this module costs some 45 ms (asyncio, aiodns) and starts no thread; a question
starts one, of pycares, that ends with the process.
"""

from __future__ import annotations

import asyncio

from .. import thirdparty
from .dnsname import askable, nameservers

thirdparty.add_to_path()
import aiodns  # noqa: E402 - its folder has to be on the path
import pycares  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any, TypeVar

    T = TypeVar("T")

TRIES = 2  # questions to each server; c-ares waits twice as long after the second one

_NOTHING = (
    pycares.errno.ARES_ENODATA,
    pycares.errno.ARES_ENOTFOUND,
    pycares.errno.ARES_EBADNAME,
)  # answers, not trouble


class Unavailable(Exception):
    """No answer could be had: SERVFAIL, REFUSED, silence, or a name that cannot be asked. The text says which."""


class Resolver:
    """The questions. Names are without escapes; one that breaks the rules (`askable`) is not sent anywhere."""

    def __init__(self, servers: list[tuple[int, list[str]]], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + seconds
        patience = max(seconds / max(len(servers), 1) / (2**TRIES - 1), 0.05)  # so that the last try is in time too
        self._channels = [
            _Channel(list(ips) or None, loop, timeout=patience, tries=TRIES, udp_port=port, tcp_port=port)
            for port, ips in servers
        ] or [_Channel(None, loop, timeout=patience, tries=TRIES)]

    async def addresses(self, name: str, kind: str = "A") -> list[str]:
        """The addresses of a name, through CNAMEs; `kind` is A or AAAA. Empty for none. Raises Unavailable."""
        return [record.host for record in await self._ask(name, kind) or ()]

    async def has_address(self, name: str) -> bool:
        """Whether a name has an A or AAAA record; both are asked at once. Raises Unavailable."""
        return await first_true([self._has(name, "A"), self._has(name, "AAAA")])

    async def mail_hosts(self, name: str) -> list[str] | None:
        """The hosts of the MX records, best first; None if there are no such records. A null MX (RFC 7505) is among
        them, as a name that is not askable. Raises Unavailable."""
        records = await self._ask(name, "MX")
        if not records:
            return None
        return [record.host for record in sorted(records, key=lambda record: int(record.priority))]

    async def host_name(self, ip: str) -> str | None:
        """The name of an address, None without one. Raises Unavailable."""
        from ipaddress import ip_address

        record = await self._ask(ip_address(ip).reverse_pointer, "PTR")
        return str(record.name) if record else None

    async def close(self) -> None:
        """Give up what is still under way."""
        for channel in self._channels:
            channel.cancel()  # here, so that nothing is left for the thread that tidies up behind pycares
            await channel.close()

    async def _has(self, name: str, kind: str) -> bool:
        return bool(await self.addresses(name, kind))

    async def _ask(self, name: str, kind: str) -> Any:
        """What aiodns makes of the answer, None if there is no such name or record. Raises Unavailable."""
        if not askable(name):
            raise Unavailable("not a name that can be asked")
        trouble = Unavailable("no server")
        channels = list(self._channels)
        for number, channel in enumerate(channels):
            left = self._deadline - asyncio.get_running_loop().time()
            question: Awaitable[Any] = channel.query(name, kind)  # type: ignore[call-overload]
            try:
                answer = await asyncio.wait_for(question, left / (len(channels) - number))
                if number:  # the others are in trouble: the next question goes here first
                    self._channels.sort(key=lambda each: each is not channel)
                return answer
            except aiodns.error.DNSError as error:
                if error.args[0] in _NOTHING:
                    return None
                trouble = Unavailable(str(error.args[1]))
            except TimeoutError:
                trouble = Unavailable("no answer in time")
        raise trouble


class _Channel(aiodns.DNSResolver):
    """aiodns without the event thread of c-ares: c-ares 1.34 can lose its timeouts there once a server went silent
    (c-ares issue 1000), and we have an event loop to do that work anyway."""

    def _make_channel(self, **options: Any) -> tuple[bool, pycares.Channel]:
        return False, pycares.Channel(sock_state_cb=self._sock_state_cb, timeout=self._timeout, **options)


def consult(env: dict[bytes, bytes], seconds: float, ask: Callable[[Resolver], Awaitable[T]]) -> T:
    """What `ask(resolver)` returns or raises."""
    return asyncio.run(_consult(nameservers(env.get(b"DNSCACHEIP", b"")), seconds, ask))


def host_name(env: dict[bytes, bytes], ip: str, seconds: float) -> bytes | None:
    """The name of an address; None without one, for one that is no host name, or when the DNS does not say in time."""
    try:
        name = consult(env, seconds, lambda resolver: resolver.host_name(ip))
    except (Unavailable, OSError, ValueError):
        return None
    return name.encode() if name and askable(name) else None


async def _consult(servers: list[tuple[int, list[str]]], seconds: float, ask: Callable[[Resolver], Awaitable[T]]) -> T:
    # Answers that come when nobody waits for them any more are no news: asyncio would tell them to fd 2.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    resolver = Resolver(servers, seconds)
    try:
        return await ask(resolver)
    finally:
        await resolver.close()


async def first_true(questions: list[Coroutine[Any, Any, bool]]) -> bool:
    """True as soon as one of the questions, all asked at once, is answered with True. Otherwise the trouble of one
    that was Unavailable; otherwise False."""
    tasks = [asyncio.ensure_future(question) for question in questions]
    trouble = None
    try:
        for answer in asyncio.as_completed(tasks):
            try:
                if await answer:
                    return True
            except Unavailable as error:
                trouble = error
    finally:
        for task in tasks:
            task.cancel()
    if trouble is not None:
        raise trouble
    return False
