"""One connection's facts: who the client is, what it said so far, what it may do (SPEC sections 3 to 6).

commands.py turns events into replies by these; checkers read and change them. Nothing here touches a descriptor:
the session is given `pause` to make the client wait, `flush` to let it have the replies it is owed before we wait for
somebody else, `alive` to ask whether it can still hear us, `left` whether it has closed its end, and `ahead` to see the
recipients it has sent already. It says through `closing` and `pause_after` what should happen once a reply is out.
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


class Transaction:
    """From an accepted MAIL to the end of its DATA. `relayclient` None: relaying is not allowed; else its value
    goes to the end of every recipient. `counted` is how many recipients count so far (SPEC section 13)."""

    def __init__(self, sender: bytes, relayclient: bytes | None) -> None:
        self.sender = sender
        self.recipients: list[bytes] = []
        self.relayclient = relayclient
        self.exempt = False  # goodmailfrom: the exemptible checkers are skipped
        self.headers: list[bytes] = []  # lines to go before our trace header, with their LF
        self.notes: dict[str, Any] = {}  # what a checker remembers of this transaction, by the checker's name
        self.results: list[dict[str, Any]] = []  # what checks found out, in named facts: for the log
        self.counted = 0
        self.envelope = 0  # bytes of the recipients, as the queue program gets them
        self.discarded = ""  # the check that wants it accepted and nothing queued
        self.holding: Any = None  # a Holding (holding.py), once its message is held
        self.held: Held | None = None  # for a check that holds, in `message`: what there is of it
        self.edits: Edits | None = None  # and what should become of it

    @property
    def bounce(self) -> bool:
        return self.sender in (b"", b"#@[]")


class Session:
    """See the module's text."""

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
        self.user: bytes | None = None  # authenticated as, with AUTHPREPEND
        self.encryption: Layer | None = None
        self.tls_context: SSLContext | None = None  # made by STARTTLS, used by the handshake
        self.transaction: Transaction | None = None
        self.verdict = Verdict()  # of the command that the chain is asked about, or was asked about last
        self.strict = config.switch("STRICTREPLIES")
        self.closing: int | None = None  # the exit status to end with once the reply is out
        self.pause_after = 0.0  # seconds to wait once the reply is out

    @property
    def exempt(self) -> bool:
        """goodmailfrom has exempted the sender from the exemptible checks."""
        return self.transaction is not None and self.transaction.exempt

    def auth_needs_tls(self) -> bool:
        return (self.config.value("SMTPAUTH") or b"").upper() == b"TLSREQUIRED" and not self.encryption

    def relayclient(self) -> bytes | None:
        """What a new transaction may do: the environment's word, or that of an authentication or a certificate."""
        trusted = self.user is not None or (self.encryption is not None and self.encryption.verified_as)
        return self.env.get(b"RELAYCLIENT", b"" if trusted else None)

    def children_env(self) -> dict[bytes, bytes]:
        """What the programs we start inherit: the environment, and what was granted in this session."""
        env = dict(self.env)
        if self.transaction is not None and self.transaction.relayclient is not None:
            env[b"RELAYCLIENT"] = self.transaction.relayclient
        if self.user is not None:
            env[b"SMTPAUTHUSER"] = self.user
        return env

    def change_address(self, event: Mail | Rcpt, address: bytes) -> None:
        """A check puts another address in the place of the one the client gave."""
        event.address = address
        if event.verb == b"MAIL" and self.transaction is not None:
            self.transaction.sender = address

    def worded(self, reply: Reply) -> Reply:
        """The reply as STRICTREPLIES has it."""
        if not self.strict:
            return reply
        from ..smtp.strict import strictly

        return strictly(reply)

    def refuse(self, event: Event, reply: Reply, verdict: Verdict | None = None) -> Reply:
        """Log a refusal by policy, the chain's or our own; with SMTP550DISCONNECT it is the last word."""
        reply = self.worded(reply)
        address = getattr(event, "address", None)
        self.log.refused(event.verb, address, reply, verdict.checker if verdict is not None else "")
        if self.config.switch("SMTP550DISCONNECT") and self.closing is None:
            self.closing = 0
        return reply
