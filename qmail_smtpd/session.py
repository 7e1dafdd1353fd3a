"""One connection's facts and decisions: an Event in, a Reply out (SPEC sections 3 to 6).

The session never touches the client's descriptors: it is given `pause` to wait and `alive` to ask whether the
client is still there, and it says through `closing` and `pause_after` what should happen once a reply is out.
Checkers read and change it: `transaction`, `client`, `config`, `env`, `because`.
"""

from __future__ import annotations

from time import time

from . import log, qmailqueue, received, replies
from .events import (
    Auth,
    AuthResponse,
    Data,
    EndOfMessage,
    Event,
    Helo,
    Help,
    Mail,
    MessageBlock,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unknown,
    Violation,
    Vrfy,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext
    from typing import Any

    from .auth import Dialog
    from .chain import Chain
    from .config import Config
    from .connection import Client
    from .hosts import Hosts
    from .log import Log
    from .replies import Reply
    from .tls import Encryption

MAX_HOPS = 100


class Transaction:
    """From an accepted MAIL to the end of its DATA. `relayclient` None: relaying is not allowed; else its value
    goes to the end of every recipient. `rcptcount` counts recipients that were welcome so far (SPEC section 13)."""

    def __init__(self, sender: bytes, relayclient: bytes | None) -> None:
        self.sender = sender
        self.recipients: list[bytes] = []
        self.relayclient = relayclient
        self.excused = False  # goodmailfrom: the excusable checkers are skipped
        self.headers: list[bytes] = []  # lines to go before our trace header, with their LF
        self.notes: dict[str, Any] = {}  # what a checker remembers of this transaction, by the checker's name
        self.rcptcount = 0

    @property
    def bounce(self) -> bool:
        return self.sender in (b"", b"#@[]")


class Session:
    """See the module's text. `handle` is the one entrance."""

    def __init__(
        self,
        config: Config,
        client: Client,
        hosts: Hosts,
        chain: Chain,
        log: Log,
        pause: Callable[[float], None] = lambda seconds: None,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self.config = config
        self.env = config.env
        self.client = client
        self.hosts = hosts
        self.chain = chain
        self.log = log
        self.pause = pause
        self.alive = alive
        self.helo: bytes | None = None
        self.user: bytes | None = None  # authenticated as, with AUTHPREPEND
        self.encryption: Encryption | None = None
        self.tls_context: SSLContext | None = None
        self.transaction: Transaction | None = None
        self.because = b""  # what the running check found, `control/FILE:LINE`
        self.refused_by = ""
        self.closing: int | None = None  # the exit status to end with once the reply is out
        self.pause_after = 0.0  # seconds to wait once the reply is out
        self._dialog: Dialog | None = None
        self._queue: qmailqueue.Queue | None = None
        self._scanners = [c for c in chain.checkers if hasattr(c, "block")]

    @property
    def excused(self) -> bool:
        return self.transaction is not None and self.transaction.excused

    def handle(self, event: Event) -> Reply | None:
        """The reply to an event; None for a block of the message, which has none."""
        return _HANDLERS[type(event)](self, event)

    def refuse(self, event: Event, reply: Reply) -> Reply:
        """Log a refusal by policy; with SMTP550DISCONNECT it is the last word."""
        self.log.refused(self, event, reply)
        if self.config.switch("SMTP550DISCONNECT") and self.closing is None:
            self.closing = 0
        return reply

    def misplaced(self, event: Event, reply: Reply) -> Reply:
        """A command out of sequence. Any DATA, also this one, is the end of the envelope for the checkers."""
        if isinstance(event, Data):
            self.chain.release()
        return self.refuse(event, reply)

    def restricted(self, event: Event) -> Reply:
        """All that is said in a session that was greeted with 421 or 554."""
        if isinstance(event, Quit):
            return self._quit(event)
        later = isinstance(event, Helo) and self.config.switch("421GREETING")
        return self.refuse(event, replies.NOT_NOW if later else replies.RESTRICTED)

    def end(self) -> None:
        """The connection is over, however it came to that: nothing may be left half done or running."""
        if self._queue:
            self._queue.abandon()
            self._queue = None
        if self._dialog:
            self._dialog.close()
        self.chain.release()

    def forget(self) -> None:
        """TLS begins: HELO and any transaction were said in clear (RFC 3207 section 4.2)."""
        self.helo = None
        self.transaction = None

    # The session commands

    def _helo(self, event: Helo) -> Reply:
        reply = self.chain.run("helo", self, event)
        if reply is not None and reply.refuses:
            return self.refuse(event, reply)
        self.transaction = None
        self.helo = event.name
        hello = replies.hello(self.config.me, self.config.greeting)
        return replies.MultilineReply(250, hello.text, self._keywords()) if event.extended else hello

    def _keywords(self) -> list[bytes]:
        keywords = [b"PIPELINING"]
        if self.config.databytes:
            keywords.append(b"SIZE %d" % self.config.databytes)
        if self.config.certificate and not self.encryption:
            keywords.append(b"STARTTLS")
        if self.config.switch("SMTPAUTH") and not self.auth_needs_tls():
            keywords.append(b"AUTH LOGIN PLAIN")
        return [*keywords, b"8BITMIME"]

    def _rset(self, event: Event) -> Reply:
        self.transaction = None
        return replies.FLUSHED

    def _quit(self, event: Event) -> Reply:
        self.closing = 0
        return replies.QUIT

    # The envelope

    def _mail(self, event: Mail) -> Reply:
        if event.address is None:
            return self.refuse(event, replies.BAD_ADDRESS)
        event.address = self._localised(event.address)
        before, self.transaction = self.transaction, Transaction(event.address, self._relayclient())
        reply = self.chain.run("mail", self, event)
        if reply is not None and reply.refuses:
            self.transaction = before
            return self.refuse(event, reply)
        self.transaction.sender = event.address
        self.log.sender(self, event.address)
        return reply or replies.SENDER_OK

    def _rcpt(self, event: Rcpt) -> Reply:
        assert self.transaction is not None
        if event.address is None:
            return self.refuse(event, replies.BAD_ADDRESS)
        event.address = self._localised(event.address)
        reply = self.chain.run("rcpt", self, event)
        if reply is not None and reply.refuses:
            return self.refuse(event, reply)
        if not event.accepted:
            return self.refuse(event, replies.NOT_A_GATEWAY)
        self.transaction.recipients.append(event.address)
        self.log.recipient(self, event.address)
        return replies.RECIPIENT_OK

    def _relayclient(self) -> bytes | None:
        """What a new transaction may do: the environment's word, or that of an authentication."""
        trusted = self.user is not None or (self.encryption is not None and self.encryption.client.verified_as)
        granted = b"" if trusted else None
        return self.env.get(b"RELAYCLIENT", granted)

    def _localised(self, address: bytes) -> bytes:
        """user@[one of our addresses] is user@LOCALIPHOST."""
        if not address.endswith(b"]"):
            return address
        from .address import literal, split
        from .connection import is_local_ip

        local, domain = split(address)
        ip = literal(domain or b"")
        return b"%b@%b" % (local, self.config.localiphost) if ip and is_local_ip(ip) else address

    # The message

    def _data(self, event: Data) -> Reply:
        transaction = self.transaction
        assert transaction is not None
        reply = self.chain.run("data", self, event)
        self.chain.release()
        if reply is not None and reply.refuses:
            self.transaction = None
            return self.refuse(event, reply)
        program = self.env.get(b"QMAILQUEUE", b"bin/qmail-queue")
        try:
            self._queue = qmailqueue.start(program, self.children_env())
        except qmailqueue.QueueUnavailable as error:
            self.transaction = None
            self.log.write(log.FATAL, b"cannot start ", program, b": ", str(error.__cause__).encode())
            return replies.QUEUE_NOT_STARTED
        if not self._queue.pid:
            self.log.write(log.FATAL, b"cannot execute ", program)
        self._queue.write(b"".join(transaction.headers) + self._trace_header(transaction))
        return replies.GO_AHEAD

    def children_env(self) -> dict[bytes, bytes]:
        """What the programs we start inherit: the environment, and what was granted in this session."""
        env = dict(self.env)
        if self.transaction is not None and self.transaction.relayclient is not None:
            env[b"RELAYCLIENT"] = self.transaction.relayclient
        if self.user is not None:
            env[b"SMTPAUTHUSER"] = self.user
        return env

    def _trace_header(self, transaction: Transaction) -> bytes:
        info = self.client.info if self.user is None else self.user
        protocol = self.encryption.protocol() if self.encryption else b"SMTP"
        first = transaction.recipients[0]
        return received.trace_header(self.client, self.helo, info, transaction.sender, first, protocol, time())

    def _block(self, event: MessageBlock) -> None:
        assert self._queue is not None
        for scanner in self._scanners:
            scanner.block(self, event)
        self._queue.write(event.block)

    def _end_of_message(self, event: EndOfMessage) -> Reply:
        transaction, queue = self.transaction, self._queue
        assert transaction is not None and queue is not None
        self.transaction = self._queue = None
        reason = self._objection(event)
        if reason is not None:
            queue.abandon()
            self.log.objected(self, transaction, reason, event.size)
            return self.refuse(event, reason)
        sealed = qmailqueue.envelope(transaction.sender, transaction.recipients)
        status, text = queue.finish(sealed, self.alive)
        if status == 0:
            now = int(time())
            self.log.queued(self, transaction, now, queue.pid, event.size)
            return replies.queued(now, queue.pid, self.config.me)
        reply = qmailqueue.refusal(status, text)
        self.log.not_queued(self, transaction, reply, event.size, status)
        return reply

    def _objection(self, event: EndOfMessage) -> Reply | None:
        """The first of the reasons that SPEC section 6 lists, if there is one."""
        if event.hops >= MAX_HOPS:
            return replies.TOO_MANY_HOPS
        if self.config.databytes and event.size > self.config.databytes:
            return replies.TOO_BIG
        reply = self.chain.run("message", self, event)
        return reply if reply is not None and reply.refuses else None

    # AUTH and STARTTLS

    def auth_needs_tls(self) -> bool:
        return (self.config.value("SMTPAUTH") or b"").upper() == b"TLSREQUIRED" and not self.encryption

    def _auth(self, event: Auth) -> Reply:
        from .auth import begin  # only a session that authenticates pays for it

        self._dialog, reply = begin(self, event)
        return reply

    def _auth_response(self, event: AuthResponse) -> Reply:
        assert self._dialog is not None
        return self._dialog.respond(event.line)

    def _starttls(self, event: StartTls) -> Reply:
        if self.encryption:
            return replies.TLS_ALREADY
        if not self.config.certificate:
            return replies.NO_TLS
        if event.argument:
            return replies.TLS_TAKES_NO_ARGUMENT
        from .tls import prepare

        return prepare(self)


def _always(reply: Reply) -> Callable[[Session, Event], Reply]:
    return lambda session, event: reply


_HANDLERS: dict[type[Event], Callable[..., Reply | None]] = {
    Helo: Session._helo,
    Mail: Session._mail,
    Rcpt: Session._rcpt,
    Data: Session._data,
    MessageBlock: Session._block,
    EndOfMessage: Session._end_of_message,
    Rset: Session._rset,
    Quit: Session._quit,
    Auth: Session._auth,
    AuthResponse: Session._auth_response,
    StartTls: Session._starttls,
    Noop: _always(replies.NOTHING_DONE),
    Vrfy: _always(replies.CANNOT_VERIFY),
    Help: _always(replies.HELP),
    Unknown: _always(replies.UNKNOWN_COMMAND),
    Violation: lambda session, event: event.reply,
}
