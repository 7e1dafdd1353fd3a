"""The verdict rule: who is asked, in which order, and whose word counts.

The checkers are asked in their order; the first refusal stops the chain. One that raises defers (451) and is logged:
trouble never lets mail in, unless the checker is `advisory`. Those named in SHADOW only log what they would refuse.
"""

from __future__ import annotations

import posix

from ..control.files import ControlError
from ..logs import log
from ..smtp import replies
from ..smtp.errors import ConnectionEnded
from ..smtp.replies import Reply
from .hooks import OVERRULE, Pass
from .verdict import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..control.config import Config
    from ..smtp.events import Event, MessageBlock
    from .facts import Session
    from .hooks import Checker


class Chain:
    """The checkers that this configuration asks for, in order."""

    def __init__(self, checkers: list[Checker], config: Config, log: log.Log) -> None:
        self.checkers = checkers
        self.observe: Callable[[str, Checker, Reply | Pass | None], None] | None = None
        self._log = log
        self._pid = posix.getpid()
        shadow = (config.value("SHADOW") or b"").replace(b",", b" ").split()
        self.shadow = frozenset(name.decode("latin1") for name in shadow)
        for checker in checkers:
            checker.shadow = checker.name in self.shadow
        self._scanners = [checker for checker in self.checkers if hasattr(checker, "block")]
        self._blind = False  # one of them failed in this message

    def run(self, hook: str, session: Session, event: Event | None) -> Verdict:
        """Ask every checker that has `hook`: the first refusal, else the last acceptance. Meanwhile `session.verdict`
        is what has been said so far."""
        verdict = session.verdict = Verdict()
        if hook == "message" and self._blind:
            verdict.reply = replies.CHECKER_TROUBLE
            return verdict
        for checker in self.checkers:
            method = self._method(checker, hook, session)
            if method is None:
                continue
            answer = self._ask(checker, hook, method, session, event)
            if self.observe:
                self.observe(hook, checker, answer)
            if not isinstance(answer, Reply):
                continue
            if answer.refuses and checker.name in self.shadow:
                self._tell_shadow(checker, answer)
                continue
            verdict.reply, verdict.checker, verdict.counts_refused = answer, checker.name, checker.counts
            if answer.refuses:
                self._works(checker, "refused", session, event, answer)
                break
            verdict.accepted = True
            if answer is OVERRULE:
                break
        return verdict

    def ask(self, hook: str, session: Session, event: Event) -> Reply | None:
        """The same, of which only the refusal matters: logged, or None."""
        verdict = self.run(hook, session, event)
        return session.refuse(event, verdict.refusal, verdict) if verdict.refusal else None

    def _method(self, checker: Checker, hook: str, session: Session) -> Callable[..., object] | None:
        """What to call; None if this checker is not asked."""
        method: Callable[..., object] | None = getattr(checker, hook, None)
        if hook == "mail" and checker.exemptible and session.exempt:
            return None
        if hook == "message" and checker.holds and method is not None:
            assert session.transaction is not None
            holding = session.transaction.holding
            return holding.shown(checker, method, checker.name in self.shadow) if holding is not None else method
        return method

    def _tell_shadow(self, checker: Checker, reply: Reply) -> None:
        reason = b" (%b)" % reply.reason if reply.reason else b""
        self._log.write(log.FATAL, b"shadow ", checker.name.encode(), b" would refuse: ", reply.line(), reason)

    def show(self, session: Session, event: MessageBlock) -> None:
        """A piece of the message for those that look into it. One that fails has not seen it, so it cannot pass."""
        for checker in self._scanners:
            if not self._works(checker, "block", session, event):
                self._blind = self._blind or not (checker.advisory or checker.name in self.shadow)

    def holds(self) -> bool:
        """Whether somebody wants to see the message before it is queued."""
        return any(checker.holds for checker in self.checkers)

    def tell(self, hook: str, *arguments: object) -> None:
        """Call a hook that has no verdict, where there is one."""
        for checker in self.checkers:
            if hasattr(checker, hook):
                self._works(checker, hook, *arguments)

    def release(self) -> None:
        """DATA or the end: checkers let go of what they held for the envelope."""
        self._blind = False
        for checker in self.checkers:
            try:
                checker.release()
            except BaseException as error:  # also when the client has gone: the others let go too
                self._trouble(checker, "release", error)

    def _ask(
        self, checker: Checker, hook: str, method: Callable[..., object], session: Session, event: Event | None
    ) -> Reply | Pass | None:
        try:
            answer = method(session, event)
            if answer is None or isinstance(answer, Pass):
                return answer
            if not (isinstance(answer, Reply) and answer.code // 100 in (2, 4, 5)):
                raise TypeError(f"{answer!r} is no answer")
            return answer
        except (ControlError, ConnectionEnded):
            raise  # the home is out of order, or the client has gone: no trouble of the checker
        except BaseException as error:  # also SystemExit: no checker ends a session without a word
            self._trouble(checker, hook, error)
            return None if checker.advisory else replies.CHECKER_TROUBLE

    def _works(self, checker: Checker, hook: str, *arguments: object) -> bool:
        """Call a hook that has no verdict; whether it did its work."""
        try:
            getattr(checker, hook)(*arguments)
            return True
        except (ControlError, ConnectionEnded):
            raise
        except BaseException as error:
            self._trouble(checker, hook, error)
            return False

    def _trouble(self, checker: Checker, hook: str, error: BaseException) -> None:
        what = b"checker %b failed at %b: " % (checker.name.encode(errors="replace"), hook.encode())
        self._log.trouble(what, log.described(error))
        if posix.getpid() != self._pid:
            posix._exit(1)  # the check forked, and this is its child: the session is not for it
