"""The state of a session and of its current transaction: who the client is, what it has said, what it may do (SPEC
sections 3 to 6).

commands.py reads and changes it, and so do checkers. Nothing here touches a descriptor. The session gets functions for
that:

    pause(seconds)  make the client wait            alive()     whether replies can still reach it
    flush()         send the buffered replies,      left()      whether it has closed the connection
                    before we wait for others       ahead()     recipients that it has sent and that are not read yet

`closing` and `pause_after` tell conversation.py what to do once the reply is sent.
"""

from __future__ import annotations

from .verdict import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext
    from typing import Any

    from ..control.config import Config
    from ..control.hosts import Hosts
    from ..logs.log import Log
    from ..net.wire import Layer
    from ..smtp.client import Client
    from ..smtp.events import Event, Mail, Rcpt
    from ..smtp.replies import Reply
    from .edits import Edits
    from .held import Held
    from .holding import Holding


class Transaction:
    """A transaction, from MAIL to the end of its DATA. `relayclient`: None if relaying is not allowed, else the text
    that is appended to every recipient. `counted`: recipients that count for limits so far (SPEC section 13)."""

    def __init__(self, sender: bytes, relayclient: bytes | None) -> None:
        self.sender = sender
        self.recipients: list[bytes] = []
        self.relayclient = relayclient
        self.exempt = False  # goodmailfrom: the exemptible checkers are skipped
        self.headers: list[bytes] = []  # lines, with LF, to be put before our Received field
        self.notes: dict[str, Any] = {}  # what checkers remember of this transaction, by the checker's name
        self.results: list[dict[str, Any]] = []  # what checks found out, for the JSON log
        self.counted = 0
        self.envelope = 0  # bytes of the recipients, as the queue program gets them
        self.discarded = ""  # the check that wants the message accepted and not queued
        self.holding: Holding | None = None  # while the message is held
        self.held: Held | None = None  # the held message, during the `message` hook of a check with `holds`
        self.edits: Edits | None = None  # its edits, during the same hook

    @property
    def bounce(self) -> bool:
        """Whether the message is a bounce: from the empty sender, or qmail's sender of double bounces."""
        return self.sender in (b"", b"#@[]")


class Session:
    """See the module's docstring."""

    def __init__(
        self,
        config: Config,
        client: Client,
        hosts: Hosts,
        log: Log,
        pause: Callable[[float], None] = lambda seconds: None,
        flush: Callable[[], None] = lambda: None,
        alive: Callable[[], bool] = lambda: True,
        left: Callable[[], bool] = lambda: False,
        ahead: Callable[[], list[bytes]] = lambda: [],
    ) -> None:
        self.config = config
        self.env = config.env
        self.client = client
        self.hosts = hosts
        self.log = log
        self.pause = pause
        self.flush = flush
        self.alive = alive
        self.left = left
        self.ahead = ahead
        self.helo: bytes | None = None
        self.user: bytes | None = None  # the authenticated user, with AUTHPREPEND before it
        self.encryption: Layer | None = None
        self.tls_context: SSLContext | None = None  # made by STARTTLS, used by the handshake
        self.transaction: Transaction | None = None
        self.verdict = Verdict()  # of the command that the chain is asked about now or was asked about last
        self.strict = config.switch("STRICTREPLIES")
        self.closing: int | None = None  # the exit status to end with once the reply is out
        self.pause_after = 0.0  # seconds to wait once the reply is out

    @property
    def exempt(self) -> bool:
        """Whether goodmailfrom exempts the sender from the exemptible checks."""
        return self.transaction is not None and self.transaction.exempt

    def auth_needs_tls(self) -> bool:
        """Whether AUTH must wait for STARTTLS (SMTPAUTH=TLSREQUIRED)."""
        return (self.config.value("SMTPAUTH") or b"").upper() == b"TLSREQUIRED" and not self.encryption

    def relayclient(self) -> bytes | None:
        """The `relayclient` of a new transaction: $RELAYCLIENT, else b"" for a client that has authenticated or has a
        certificate in control/tlsclients, else None."""
        trusted = self.user is not None or (self.encryption is not None and self.encryption.verified_as)
        return self.env.get(b"RELAYCLIENT", b"" if trusted else None)

    def children_env(self) -> dict[bytes, bytes]:
        """The environment of programs that the session starts: its own, with RELAYCLIENT and SMTPAUTHUSER if the
        session has been granted these."""
        env = dict(self.env)
        if self.transaction is not None and self.transaction.relayclient is not None:
            env[b"RELAYCLIENT"] = self.transaction.relayclient
        if self.user is not None:
            env[b"SMTPAUTHUSER"] = self.user
        return env

    def change_address(self, event: Mail | Rcpt, address: bytes) -> None:
        """Replace the address of a MAIL or RCPT that the chain is being asked about."""
        event.address = address
        if event.verb == b"MAIL" and self.transaction is not None:
            self.transaction.sender = address

    def worded(self, reply: Reply) -> Reply:
        """The reply to send: with STRICTREPLIES that of RFC 5321, else `reply` itself."""
        if not self.strict:
            return reply
        from ..smtp.strict import strictly

        return strictly(reply)

    def refuse(self, event: Event, reply: Reply, verdict: Verdict | None = None) -> Reply:
        """Log a refusal; the reply to send. `verdict`: that of the chain, if a check refused. With SMTP550DISCONNECT
        the connection ends after it."""
        reply = self.worded(reply)
        self.log.refused(event.verb, event.address, reply, verdict.checker if verdict is not None else "")
        if self.config.switch("SMTP550DISCONNECT") and self.closing is None:
            self.closing = 0
        return reply
