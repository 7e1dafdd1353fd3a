"""Refuse recipients with a route in the local part if the queue program might follow it (SPEC section 6).

The domain of an address is what follows its last `@`, here and in qmail. Postfix, Exim and others may deliver
`victim%elsewhere@ours` or `"victim@elsewhere"@ours` to another host, which makes an open relay of us. So a client
without RELAYCLIENT may not send to such a recipient, unless the queue program is known to ignore routes:

    bin/qmail-queue         qmail's own, if it is neither a link to a sendmail nor a script that calls one
    maildir-queue           this project's: it delivers nothing to other hosts
    control/plainqueues     programs that the administrator lists there, written as in QMAILQUEUE
"""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies
from ..smtp.address import has_route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Rcpt
    from ..smtp.replies import Reply

QMAIL_QUEUE = b"bin/qmail-queue"
MAILDIR_QUEUE = b"qmail_smtpd.queues.maildirqueue"
HEAD = 4096  # bytes of a script that are searched for the name of a sendmail


def setup(config: Config) -> Checker | None:
    return Routes(config)


def follows_routes(config: Config) -> bool:
    """Whether the configured queue program might deliver by a route in an address."""
    program = config.value("QMAILQUEUE")
    name = QMAIL_QUEUE if program is None else program
    plain = config.control.entries("plainqueues")
    if plain is not None and name in plain:
        return False
    text = _head(name)
    return b"sendmail" in text or (program is not None and MAILDIR_QUEUE not in text)


def _head(path: bytes) -> bytes:
    """The beginning of a program; b"" if we may not read it, as with qmail's own qmail-queue."""
    from ..control.files import open_regular

    try:
        with open_regular(path) as file:
            return file.read(HEAD)
    except OSError:
        return b""


class Routes(Checker):
    passes_locals = True  # without a route, which verify sees too

    def __init__(self, config: Config) -> None:
        self._config = config
        self._followed: bool | None = None  # None until the first recipient with a route

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        transaction = session.transaction
        assert transaction is not None
        if transaction.relayclient is not None or not has_route(event.address or b""):
            return None
        if self._followed is None:
            self._followed = follows_routes(self._config)
        return replies.RELAY_PROBE.with_reason(b"the queue program may follow the route") if self._followed else None
