"""RETURNMXCHECK: the sender's domain must be able to get mail (SPEC section 9; section 5, MAIL 12; RFC 5321
section 5.1, RFC 7505).

It needs an MX record whose host has an address, or failing any MX record an address of its own. Without: 554. When
the DNS does not say, within PATIENCE seconds: 421, and the session goes on. Bounces, senders without @ and address
literals, with or without brackets, pass. Clients that may relay are checked like all others.
"""

from __future__ import annotations

from ..checker import Checker
from ..logs import log
from ..net.dnsname import askable, is_ip
from ..smtp import replies
from ..smtp.address import literal, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..net.resolver import Resolver
    from ..session.facts import Session
    from ..smtp.events import Mail
    from ..smtp.replies import Reply

PATIENCE = 5.0  # seconds for all questions about one domain
MOST_HOSTS = 16  # MX hosts looked at, best first: a client chooses the domain, it must not make us ask thousands


def setup(config: Config) -> Checker | None:
    return ReturnMx()


def preload() -> None:
    """For a parent that forks: import what `mail` needs. No loop, no socket, no thread comes of it."""
    from ..net import resolver  # noqa: F401


class ReturnMx(Checker):
    exemptible = True

    def mail(self, session: Session, event: Mail) -> Reply | None:
        _, domain = split(event.address or b"")
        if domain is None or (session.transaction and session.transaction.bounce):
            return None
        name = (literal(domain) or domain).decode("latin1")
        if is_ip(name):
            return None
        if not askable(name):
            return replies.SENDER_CANNOT_GET_REPLIES
        session.flush()  # nobody waits for replies while we wait for the DNS
        from ..net.resolver import Unavailable, consult

        async def question(resolver: Resolver) -> bool:
            return await gets_mail(resolver, name)

        try:
            found = consult(session.env, PATIENCE, question)
        except Unavailable as trouble:
            session.log.write(log.REFUSAL, b"cannot look up ", domain, b": ", str(trouble).encode(errors="replace"))
            return replies.DNS_TROUBLE
        return None if found else replies.SENDER_CANNOT_GET_REPLIES


async def gets_mail(resolver: Resolver, domain: str) -> bool:
    """Whether some host takes mail for a domain. Raises Unavailable if that cannot be said."""
    from ..net.resolver import first_true

    hosts = await resolver.mail_hosts(domain)
    if hosts is None:
        return await resolver.has_address(domain)
    if any(is_ip(host) for host in hosts):  # against the rules and not rare; senders deliver to it
        return True
    # the null MX, `.`, is not askable: it is no host
    return await first_true([resolver.has_address(host) for host in hosts[:MOST_HOSTS] if askable(host)])
