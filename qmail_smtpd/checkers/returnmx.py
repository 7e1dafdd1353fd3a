"""RETURNMXCHECK: the sender's domain must be able to receive mail (SPEC sections 9 and 5, MAIL 12; RFC 5321 section
5.1, RFC 7505).

It needs an MX record whose host has an address or, if it has no MX record at all, an address of its own; otherwise 554.
If the DNS gives no answer within TIMEOUT seconds: 421, and the session goes on. Bounces, senders without @ and address
literals, with or without brackets, pass. Clients that may relay are checked like all others. If this host lacks
something that a look-up needs, an exception is raised, so that the client gets 451.
"""

from __future__ import annotations

from ..checker import Checker
from ..net.dnsname import askable
from ..smtp import ip, replies
from ..smtp.address import split
from ..smtp.ip import literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..net.resolver import Resolver
    from ..session.facts import Session
    from ..smtp.events import Mail
    from ..smtp.replies import Reply

TIMEOUT = 5.0  # seconds for all questions about one domain
MOST_HOSTS = 16  # MX hosts that are looked up, best first: a client chooses the domain and must not cost us thousands


def setup(config: Config) -> Checker | None:
    return ReturnMx()


def preload() -> None:
    """For a parent that forks: import what `mail` needs."""
    from ..net import resolver  # noqa: F401


class ReturnMx(Checker):
    exemptible = True

    def mail(self, session: Session, event: Mail) -> Reply | None:
        _, domain = split(event.address or b"")
        if domain is None or (session.transaction and session.transaction.bounce):
            return None
        name = literal(domain) or domain
        if ip.parse(name) is not None:
            return None
        if not askable(name):
            return replies.SENDER_CANNOT_GET_REPLIES
        session.flush()  # the client gets its replies before we wait for the DNS
        from ..net.resolver import Resolver

        try:
            found = gets_mail(Resolver(session.env, TIMEOUT), name)
        except NoAnswer as trouble:
            session.log.trouble(b"cannot look up ", domain, b": ", str(trouble).encode())
            return replies.DNS_TROUBLE
        return None if found else replies.SENDER_CANNOT_GET_REPLIES


class NoAnswer(Exception):
    """The DNS gave no answer; the text says why."""


def gets_mail(dns: Resolver, domain: bytes) -> bool:
    """Whether a domain can receive mail. Raises NoAnswer."""
    answer = dns.ask(domain, "MX")
    if answer.trouble:
        raise NoAnswer(answer.trouble)
    hosts = [host for _, host in sorted(answer.records)]
    if not hosts:
        return _has_address(dns, [domain])
    if any(ip.parse(host) is not None for host in hosts):  # an IP address in an MX is wrong, but common, and it works
        return True
    # askable() also leaves out the null MX, `.`
    return _has_address(dns, [host for host in hosts[:MOST_HOSTS] if askable(host)])


def _has_address(dns: Resolver, names: list[bytes]) -> bool:
    """Whether one of the names has an address; all are asked at once. Raises NoAnswer."""
    trouble = ""
    for _, answer in dns.answers((name, rtype) for name in names for rtype in ("A", "AAAA")):
        if answer.records:
            return True
        trouble = trouble or answer.trouble
    if trouble:
        raise NoAnswer(trouble)
    return False
