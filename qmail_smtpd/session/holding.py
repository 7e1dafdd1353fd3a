"""A held message in the place of the queue program, until it has its verdict (SPEC section 14).

    holding = Holding(session, trace, start)
    holding.write(block)                    as Queue.write: never raises, trouble shows later
    holding.shown(checker, hook, shadow)    for the chain: the `message` hook, with the message before it
    holding.finish(envelope, alive)         the queue program is started and gets what the edits made; as Queue.finish
    holding.abandon()                       nothing is left, nothing is queued

`trace` is our Received, `start` starts the queue program. `finish` raises QueueUnavailable, also where the message
could not be kept or read back. A message that was discarded before DATA is not kept at all.
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
    """See the module's text."""

    def __init__(self, session: Session, trace: bytes, start: Callable[[], Queue]) -> None:
        assert session.transaction is not None
        self.pid = 0  # of the queue program, once it is there
        self._transaction: Transaction = session.transaction
        self._transaction.holding = self
        self._folder = session.env.get(b"TMPDIR") or b"/var/tmp"
        self._trace = trace
        self._start = start
        self._spools: list[Spool] = []
        self._message = self._new_spool()
        self._trouble: SpoolError | None = None
        self._held: Held | None = None  # what the edits so far have made of it; None: nobody has looked at it

    def write(self, block: bytes) -> None:
        if self._trouble is None and not self._transaction.discarded:
            try:
                self._message.write(block)
            except SpoolError as error:
                self._trouble = error
                self._message.close()

    def shown(self, checker: Checker, hook: Hook, shadow: bool) -> Hook:
        """Whatever goes wrong here is the checker's trouble, so its edits are dropped as a whole."""

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
            if not shadow:
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
        """Carry them out. Nobody is asked about a message that nobody will get."""
        transaction = self._transaction
        draft = edits.apply(self._view(), transaction.sender, transaction.recipients)
        if draft.discarded or not draft.recipients:
            transaction.discarded = name
            return OVERRULE
        self._held = draft.held()
        transaction.sender, transaction.recipients = draft.sender, draft.recipients
        return None

    def _handed_over(self) -> Queue:
        """The queue program, with the message in it."""
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
    """What is no answer at all is trouble to the chain."""
    return answer is None or isinstance(answer, Pass) or (isinstance(answer, Reply) and not answer.refuses)
