"""What each command does (SPEC sections 3 to 6; RFC 5321 section 4.1).

    commands.handle(event)              run the command; the reply, None for a block of the message
    commands.misplaced(event, reply)    a command out of sequence; `reply` is its refusal
    commands.restricted(event)          the reply in a session that was greeted with 421 or 554
    commands.end()                      the connection is over, for whatever reason

The state is in Session, the checks are in the Chain, and a Delivery takes a message to the queue program. Raises
ControlError and smtp.errors.ConnectionEnded.
"""

from __future__ import annotations

from ..programs import qmailqueue
from ..smtp import replies
from ..smtp.address import LONGEST
from ..smtp.events import (
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
    OtherProtocol,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unknown,
    Violation,
    Vrfy,
)
from .delivery import Delivery, unavailable
from .facts import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..smtp.replies import Reply
    from .auth import Dialog
    from .chain import Chain
    from .delivery import Start
    from .facts import Session


OVERHEAD = 2  # bytes that a recipient takes in the envelope in addition to its address
LINES_OF_AUTH = 2  # the lines that a client may send of a refused AUTH exchange, without waiting for our replies
MOST_RECIPIENTS = 100_000  # of a message, if maxenvelope is not 0: short addresses take more memory than their bytes


class Commands:
    """See the module's docstring."""

    def __init__(self, session: Session, chain: Chain, start: Start = qmailqueue.start) -> None:
        """`start` starts a queue program, given its path and environment, and returns a Queue."""
        self.session = session
        self.chain = chain
        self._start = start
        self._dialog: Dialog | None = None
        self._secrets = 0  # how many further unknown lines may be secrets, which no checker is shown
        self._delivery: Delivery | None = None

    def handle(self, event: Event) -> Reply | None:
        return _HANDLERS[type(event)](self, event)

    def misplaced(self, event: Event, reply: Reply) -> Reply:
        """Every DATA, also one out of sequence, ends the envelope for the checkers."""
        if isinstance(event, Data):
            self.chain.release()
        return self.session.refuse(event, reply)

    def restricted(self, event: Event) -> Reply:
        if isinstance(event, Quit):
            return self._quit(event)
        if isinstance(event, Violation):
            return self.session.refuse(event, event.reply)
        if isinstance(event, OtherProtocol):
            return self._other_protocol(event)
        later = isinstance(event, Helo) and self.session.config.switch("421GREETING")
        return self.session.refuse(event, replies.NOT_NOW if later else replies.RESTRICTED)

    def end(self) -> None:
        """Abandon the message and end the helpers. Must be called for every session."""
        if self._delivery:
            self._delivery.abandon()
        if self._dialog:
            self._dialog.close()
        self.chain.release()
        self.chain.tell("ended")

    # The session commands

    def _helo(self, event: Helo) -> Reply:
        session = self.session
        refusal = self.chain.ask("helo", self.session, event)
        if refusal is not None:
            return refusal
        session.transaction = None
        session.helo = event.name
        session.log.greeted(event.name)
        hello = replies.hello(session.config.me, session.config.greeting)
        return replies.MultilineReply(250, hello.text, self._keywords()) if event.extended else hello

    def _keywords(self) -> list[bytes]:
        session, config = self.session, self.session.config
        keywords = [b"PIPELINING"]
        if config.databytes:
            keywords.append(b"SIZE %d" % config.databytes)
        if config.certificate and not session.encryption:
            keywords.append(b"STARTTLS")
        if config.switch("SMTPAUTH") and not session.auth_needs_tls():
            keywords.append(b"AUTH LOGIN PLAIN")
        return [*keywords, b"8BITMIME"]

    def _rset(self, event: Event) -> Reply:
        self.session.transaction = None
        return replies.FLUSHED

    def _unknown(self, event: Unknown) -> Reply:
        if self._secrets:  # after a refused AUTH the client may still send its password
            self._secrets -= 1
            return replies.UNKNOWN_COMMAND
        return self.chain.ask("unknown", self.session, event) or replies.UNKNOWN_COMMAND

    def _other_protocol(self, event: OtherProtocol) -> Reply:
        return self.session.refuse(event, replies.NO_SUCH_PROTOCOL)

    def _quit(self, event: Event) -> Reply:
        self.session.closing = 0
        return replies.QUIT

    # The envelope

    def _mail(self, event: Mail) -> Reply:
        session = self.session
        if not self._is_address(event):
            return session.refuse(event, replies.BAD_ADDRESS)
        assert event.address is not None
        before, session.transaction = session.transaction, Transaction(event.address, session.relayclient())
        verdict = self.chain.run("mail", session, event)
        if verdict.refusal:
            session.transaction = before
            return session.refuse(event, verdict.refusal, verdict)
        session.log.sender(session.transaction.sender)
        return verdict.reply or replies.SENDER_OK

    def _rcpt(self, event: Rcpt) -> Reply:
        reply = self._recipient(event)
        if reply.refuses:
            self.chain.tell("rcpt_refused", self.session, event)
        return reply

    def _recipient(self, event: Rcpt) -> Reply:
        session, transaction = self.session, self.session.transaction
        assert transaction is not None
        if not self._is_address(event):
            return session.refuse(event, replies.BAD_ADDRESS)
        assert event.address is not None
        if not event.address:
            return session.refuse(event, replies.EMPTY_RECIPIENT)
        if not self._has_room(transaction, event.address):
            return session.refuse(event, replies.ENVELOPE_FULL)
        verdict = self.chain.run("rcpt", session, event)
        transaction.counted += verdict.counts
        if verdict.refusal:
            return session.refuse(event, verdict.refusal, verdict)
        if not verdict.accepted:
            return session.refuse(event, replies.NOT_A_GATEWAY)
        transaction.recipients.append(event.address)
        transaction.envelope += len(event.address) + OVERHEAD
        session.log.recipient(event.address)
        return replies.RECIPIENT_OK

    def _has_room(self, transaction: Transaction, address: bytes) -> bool:
        """Whether one more recipient fits into control/maxenvelope, which keeps recipients from filling our memory."""
        most = self.session.config.maxenvelope
        return not most or (
            transaction.envelope + len(address) + OVERHEAD <= most and len(transaction.recipients) < MOST_RECIPIENTS
        )

    def _is_address(self, event: Mail | Rcpt) -> bool:
        """Whether the address has the right syntax and length. A literal of ours is replaced first."""
        if event.address is None:
            return False
        event.address = self._localised(event.address)
        return len(event.address) <= LONGEST

    def _localised(self, address: bytes) -> bytes:
        """The address, or user@LOCALIPHOST for user@[one of our IP addresses]."""
        if not address.endswith(b"]"):
            return address
        from ..net.peer import is_local_ip
        from ..smtp.address import split
        from ..smtp.ip import literal

        local, domain = split(address)
        ip = literal(domain or b"")
        return b"%b@%b" % (local, self.session.config.localiphost) if ip and is_local_ip(ip) else address

    # The message

    def _data(self, event: Data) -> Reply:
        session = self.session
        refusal = self.chain.ask("data", session, event)
        self.chain.release()
        if refusal is not None:
            session.transaction = None
            return refusal
        try:
            self._delivery = Delivery(session, self.chain, self._start)
        except qmailqueue.QueueUnavailable as error:
            session.transaction = None
            return unavailable(session, error)
        return replies.GO_AHEAD

    def _block(self, event: MessageBlock) -> None:
        assert self._delivery is not None
        self._delivery.block(event)

    def _end_of_message(self, event: EndOfMessage) -> Reply:
        assert self._delivery is not None
        reply = self._delivery.end(event)
        self.session.transaction = self._delivery = None
        return reply

    # AUTH and STARTTLS: only sessions that use them import their modules

    def _auth(self, event: Auth) -> Reply:
        from .auth import begin

        self._dialog, reply = begin(self.session, self.chain, event)
        self._secrets = LINES_OF_AUTH if reply.refuses else 0
        return reply

    def _auth_response(self, event: AuthResponse) -> Reply:
        assert self._dialog is not None
        reply = self._dialog.respond(event.line)
        self._secrets = LINES_OF_AUTH if reply.refuses else 0
        return reply

    def _starttls(self, event: StartTls) -> Reply:
        if self.session.encryption:
            return replies.TLS_ALREADY
        if not self.session.config.certificate:
            return replies.NO_TLS
        if event.argument:
            return replies.TLS_TAKES_NO_ARGUMENT
        from ..net.tls import prepare

        self.session.tls_context = prepare(self.session.config, self.session.log)
        return replies.TLS_READY if self.session.tls_context else replies.TLS_TROUBLE


def _always(reply: Reply) -> Callable[[Commands, Event], Reply]:
    return lambda commands, event: reply


_HANDLERS: dict[type[Event], Callable[..., Reply | None]] = {
    Helo: Commands._helo,
    Mail: Commands._mail,
    Rcpt: Commands._rcpt,
    Data: Commands._data,
    MessageBlock: Commands._block,
    EndOfMessage: Commands._end_of_message,
    Rset: Commands._rset,
    Quit: Commands._quit,
    Auth: Commands._auth,
    AuthResponse: Commands._auth_response,
    StartTls: Commands._starttls,
    Noop: _always(replies.NOTHING_DONE),
    Vrfy: _always(replies.CANNOT_VERIFY),
    Help: _always(replies.HELP),
    Unknown: Commands._unknown,
    OtherProtocol: Commands._other_protocol,
    Violation: lambda commands, event: commands.session.refuse(event, event.reply),
}
