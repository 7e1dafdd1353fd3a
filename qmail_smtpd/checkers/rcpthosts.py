"""locals and rcpthosts: the domains that this host accepts mail for (SPEC section 5, RCPT 5).

A client with RELAYCLIENT may send to all domains; the variable's value is appended to each recipient. A recipient
without @ is accepted.
"""

from __future__ import annotations

from ..checker import Checker, accept
from ..smtp import replies
from ..smtp.address import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Rcpt
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    return RcptHosts(config.switch("NOLOCAL"))


class RcptHosts(Checker):
    passes_locals = True  # without NOLOCAL, and where RELAYCLIENT appends nothing

    def __init__(self, nolocal: bool) -> None:
        self._nolocal = nolocal

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        transaction = session.transaction
        assert transaction is not None and event.address is not None
        if transaction.relayclient is not None:
            session.change_address(event, event.address + transaction.relayclient)
            return accept(reason=b"RELAYCLIENT")
        domain = split(event.address)[1]
        if session.verdict.accepted or domain is None:
            return accept()
        reason = session.hosts.takes(domain, self._nolocal)
        return accept(reason=reason) if reason else replies.NOT_A_GATEWAY
