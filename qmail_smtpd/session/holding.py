"""Holds a message until the checks have decided, with the interface of a Queue (SPEC section 14).

    holding = Holding(session, trace, start)
    holding.write(block)                    as Queue.write; never raises, an error shows in `finish`
    holding.shown(checker, hook)            for the chain: a function that calls the `message` hook of a checker, with
                                            the held message and its edits in the transaction
    holding.finish(envelope, still_there)   start the queue program, pass it the edited message; then as Queue.finish
    holding.abandon()                       drop the message

`trace` is our Received field, `start` starts the queue program. `finish` raises QueueUnavailable, also if the message
could not be stored or read back. A message that was discarded before DATA is not stored at all.
"""

from __future__ import annotations

from ..logs.log import FATAL
from ..programs.qmailqueue import QueueUnavailable
from ..programs.spool import Spool, SpoolError
from ..smtp import received, replies
from ..smtp.replies import Reply
from .edits import Edits
from .held import HeaderTooLarge, Held, read
from .hooks import OVERRULE, Pass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..programs.qmailqueue import Queue
    from ..smtp.events import Event
    from .facts import Session, Transaction
    from .hooks import Checker

    Hook = Callable[..., object]


class Holding:
    """See the module's docstring."""

    def __init__(self, session: Session, trace: bytes, start: Callable[[], Queue]) -> None:
        assert session.transaction is not None
        self.pid = 0  # of the queue program, once it is started
        self._transaction: Transaction = session.transaction
        self._transaction.holding = self
        self._folder = session.env.get(b"TMPDIR") or b"/var/tmp"
        self._trace = trace
        self._start = start
        self._spools: list[Spool] = []
        self._message = self._new_spool()
        self._trouble: SpoolError | None = None
        self._held: Held | None = None  # the message with all edits so far; None if no check has looked at it

    def write(self, block: bytes) -> None:
        if self._trouble is None and not self._transaction.discarded:
            try:
                self._message.write(block)
            except SpoolError as error:
                self._trouble = error
                self._message.close()

    def shown(self, checker: Checker, hook: Hook) -> Hook:
        """The function for the chain, see the module's docstring. If it raises, the checker has failed and none of its
        edits is applied."""

        def asked(session: Session, event: Event) -> object:
            transaction = self._transaction
            try:
                transaction.held = self._view()
            except HeaderTooLarge:
                return replies.HEADER_TOO_LARGE
            transaction.edits = edits = Edits(self._new_spool)
            try:
                answer = hook(session, event)
            finally:
                transaction.held = transaction.edits = None
            if not edits or not _lets_pass(answer):
                return answer
            if not checker.shadow:
                session.log.edited(checker.name, edits.described())
                return self._edit(edits, checker.name) or answer
            for line in edits.described():
                session.log.write(FATAL, b"shadow ", checker.name.encode(), b" would edit: ", line)
            return answer

        return asked

    def finish(self, envelope: Iterable[bytes], still_there: Callable[[], bool] = lambda: True) -> tuple[int, bytes]:
        try:
            queue = self._handed_over()
        finally:
            self.abandon()
        self.pid = queue.pid
        return queue.finish(envelope, still_there)

    def abandon(self) -> None:
        for spool in self._spools:
            spool.close()

    def _new_spool(self) -> Spool:
        self._spools.append(Spool(self._folder))
        return self._spools[-1]

    def _view(self) -> Held:
        """Raises SpoolError, HeaderTooLarge."""
        if self._trouble is not None:
            raise self._trouble
        if self._held is None:
            self._held = read(received.bounded(b"".join(self._transaction.headers)), self._trace, self._message)
        return self._held

    def _edit(self, edits: Edits, name: str) -> Reply | None:
        """Apply the edits. OVERRULE, so that no later check is asked, if nothing is left to be queued."""
        transaction = self._transaction
        draft = edits.apply(self._view(), transaction.sender, transaction.recipients)
        if draft.discarded or not draft.recipients:
            transaction.discarded = name
            return OVERRULE
        self._held = draft.held()
        transaction.sender, transaction.recipients = draft.sender, draft.recipients
        return None

    def _handed_over(self) -> Queue:
        """A started queue program that has got the message. Raises QueueUnavailable."""
        if self._trouble is not None:
            raise QueueUnavailable from self._trouble
        queue = self._start()
        try:
            for block in self._stored():
                queue.write(block)
        except SpoolError as error:
            queue.abandon()
            raise QueueUnavailable from error
        return queue

    def _stored(self) -> Iterator[bytes]:
        if self._held is not None:
            yield from self._held.stored()
        else:
            yield received.bounded(b"".join(self._transaction.headers) + self._trace)
            yield from self._message.blocks()


def _lets_pass(answer: object) -> bool:
    """Whether a hook's answer lets the message pass. Anything else is a refusal, or an error that the chain reports."""
    return answer is None or isinstance(answer, Pass) or (isinstance(answer, Reply) and not answer.refuses)
