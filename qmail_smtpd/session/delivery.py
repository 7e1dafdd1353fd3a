"""One message, from DATA to the reply after its final dot (SPEC sections 6 and 14).

    delivery = Delivery(session, chain, start)      raises QueueUnavailable
    delivery.block(event)                           a piece of the message
    delivery.end(event)                             the message is complete: queue or refuse it; the reply
    delivery.abandon()                              nothing is queued (the client has left)

The message is passed to the queue program as it comes. If a check needs to see the whole message, it is held until the
checks have decided (holding.py). Only this module starts a queue program and completes its envelope.
"""

from __future__ import annotations

from time import time

from ..logs import log
from ..programs import qmailqueue
from ..smtp import received, replies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..smtp.events import EndOfMessage, MessageBlock
    from ..smtp.replies import Reply
    from .chain import Chain
    from .facts import Session
    from .holding import Holding

    Start = Callable[[bytes, dict[bytes, bytes]], qmailqueue.Queue]

MAX_HOPS = 100


class Delivery:
    """See the module's docstring. `start` starts a queue program, given its path and environment."""

    def __init__(self, session: Session, chain: Chain, start: Start) -> None:
        assert session.transaction is not None
        self._session = session
        self._transaction = session.transaction
        self._chain = chain
        self._start = start
        self._received = 0  # bytes of the message so far, as stored
        self._queue: qmailqueue.Queue | Holding | None = self._way_in()

    def block(self, event: MessageBlock) -> None:
        assert self._queue is not None
        self._chain.show(self._session, event)
        self._received += len(event.block)
        most = self._session.config.databytes
        if not most or self._received <= most:  # a message that is too big is read to its end, but not kept
            self._queue.write(event.block)

    def end(self, event: EndOfMessage) -> Reply:
        objection = self._objection(event)
        if objection is not None:
            self.abandon()
            return self._not_queued(objection, event.size)
        if self._transaction.discarded:
            self.abandon()
            return self._discarded(event.size)
        return self._hand_over(event.size)

    def abandon(self) -> None:
        if self._queue is not None:
            self._queue.abandon()
            self._queue = None

    def _way_in(self) -> qmailqueue.Queue | Holding:
        """Where the message goes: to a started queue program, or into a Holding. Raises QueueUnavailable."""
        program = self._session.env.get(b"QMAILQUEUE", b"bin/qmail-queue")
        env = self._session.children_env()
        trace = self._trace_header()
        if self._transaction.discarded or self._chain.holds():
            from .holding import Holding

            return Holding(self._session, trace, lambda: self._started(program, env))
        queue = self._started(program, env)
        queue.write(received.bounded(b"".join(self._transaction.headers) + trace))
        return queue

    def _started(self, program: bytes, env: dict[bytes, bytes]) -> qmailqueue.Queue:
        queue = self._start(program, env)
        if not queue.pid:
            self._session.log.write(log.FATAL, b"cannot execute ", program)
        return queue

    def _trace_header(self) -> bytes:
        session, transaction = self._session, self._transaction
        info = session.client.info if session.user is None else session.user
        protocol = session.encryption.protocol() if session.encryption else b"SMTP"
        first = transaction.recipients[0]
        return received.trace_header(session.client, session.helo, info, transaction.sender, first, protocol, time())

    def _objection(self, event: EndOfMessage) -> Reply | None:
        """The refusal of the complete message, which is logged, or None: first of those in SPEC section 6."""
        session, databytes = self._session, self._session.config.databytes
        if event.hops >= MAX_HOPS:
            return session.refuse(event, replies.TOO_MANY_HOPS)
        if databytes and event.size > databytes:
            return session.refuse(event, replies.TOO_BIG)
        if self._transaction.discarded:
            return None
        refusal = self._chain.ask("message", session, event)
        session.log.found(self._transaction.results)
        return refusal

    def _hand_over(self, size: int) -> Reply:
        """Give the envelope to the queue program; the reply for its exit status."""
        transaction, queue = self._transaction, self._queue
        assert queue is not None
        self._queue = None
        sealed = qmailqueue.envelope(transaction.sender, transaction.recipients)
        try:
            status, text = queue.finish(sealed, self._session.alive)
        except qmailqueue.QueueUnavailable as error:
            return self._not_queued(unavailable(self._session, error), size)
        if status:
            from ..programs.queueexits import refusal

            return self._not_queued(refusal(status, text), size, status)
        now = int(time())
        self._session.log.queued(transaction.sender, transaction.recipients, now, queue.pid, size)
        return replies.queued(now, queue.pid, self._session.config.me)

    def _not_queued(self, reply: Reply, size: int, status: int | None = None) -> Reply:
        transaction = self._transaction
        self._session.log.not_queued(transaction.sender, transaction.recipients, reply, size, status)
        return reply

    def _discarded(self, size: int) -> Reply:
        """The reply for a message that is accepted and thrown away, the same as for one that was queued."""
        session, transaction = self._session, self._transaction
        session.log.discarded(transaction.sender, transaction.recipients, transaction.discarded, size)
        return replies.queued(int(time()), session.log.pid, session.config.me)


def unavailable(session: Session, error: qmailqueue.QueueUnavailable) -> Reply:
    """Log that the queue program could not be started, or the message not kept; the reply."""
    session.log.write(log.FATAL, b"cannot start the queue: ", str(error.__cause__).encode())
    return replies.QUEUE_NOT_STARTED
