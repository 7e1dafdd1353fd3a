"""No route in a recipient where the queue program may follow it (SPEC section 6).

We judge an address by its last `@`. So does qmail; Postfix, Exim and others read `victim%elsewhere@ours` or
`"victim@elsewhere"@ours` as a way to another host, and would relay for everybody. Without RELAYCLIENT such a recipient
is refused, unless the queue program is known to follow no routes:

    bin/qmail-queue         that of qmail, unless it is a link to or a script around a sendmail
    maildir-queue           of this project: it sends nothing anywhere
    control/plainqueues     those of which the administrator says so, as QMAILQUEUE names them
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
HEAD = 4096  # bytes of a script in which the name of a sendmail would stand


def setup(config: Config) -> Checker | None:
    return Routes(config)


def follows_routes(config: Config) -> bool:
    """Whether the queue program of this configuration may read an address otherwise than by its last @."""
    program = config.value("QMAILQUEUE")
    name = QMAIL_QUEUE if program is None else program
    plain = config.control.entries("plainqueues")
    if plain is not None and name in plain:
        return False
    text = _head(name)
    return b"sendmail" in text or (program is not None and MAILDIR_QUEUE not in text)


def _head(path: bytes) -> bytes:
    """How a program begins; nothing of one that we may only execute, as that of qmail."""
    from ..control.files import open_regular

    try:
        with open_regular(path) as file:
            return file.read(HEAD)
    except OSError:
        return b""


class Routes(Checker):
    def __init__(self, config: Config) -> None:
        self._config = config
        self._followed: bool | None = None  # found out when the first route is seen

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        transaction = session.transaction
        assert transaction is not None
        if transaction.relayclient is not None or not has_route(event.address or b""):
            return None
        if self._followed is None:
            self._followed = follows_routes(self._config)
        return replies.RELAY_PROBE.with_reason(b"the queue program may follow it") if self._followed else None
