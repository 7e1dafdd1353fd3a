"""The chain of checkers: asks them in order and makes one Verdict of their answers.

The first refusal stops the chain. A checker that raises anything counts as a 451 and is logged, so that an error never
lets mail pass, unless the checker is `advisory`. Checkers named in SHADOW only log what they would have refused. A
child that a checker forks is ended when it comes back from the hook. ControlError and ConnectionEnded are passed on to
the caller.
"""

from __future__ import annotations

import posix

from ..control.config import names_in
from ..control.files import ControlError
from ..logs import log
from ..programs.process import end_unless
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
    """The checkers of one session, in order. `observe`, if set, is called with each answer (qmail-smtpd-explain)."""

    def __init__(self, checkers: list[Checker], config: Config, log: log.Log) -> None:
        self.checkers = checkers
        self.observe: Callable[[str, Checker, Reply | Pass | None], None] | None = None
        self._log = log
        self._pid = posix.getpid()
        shadow = [name.decode("latin1") for name in names_in(config.value("SHADOW") or b"")]
        for checker in checkers:
            checker.shadow = checker.name in shadow
        self._scanners = [checker for checker in self.checkers if hasattr(checker, "block")]
        self._blind = False  # one of them failed in this message, so it has not seen all of it

    def run(self, hook: str, session: Session, event: Event | None) -> Verdict:
        """Ask every checker that has `hook`. The verdict has the first refusal, else the last acceptance; while the
        chain runs, checkers see it in `session.verdict` as it is so far. Raises ControlError and ConnectionEnded."""
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
            if answer.refuses and checker.shadow:
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
        """The same, for hooks that can only refuse: the refusal, which is logged, or None."""
        verdict = self.run(hook, session, event)
        return session.refuse(event, verdict.refusal, verdict) if verdict.refusal else None

    def _method(self, checker: Checker, hook: str, session: Session) -> Callable[..., object] | None:
        """The method to call for a hook, None if this checker is not asked."""
        method: Callable[..., object] | None = getattr(checker, hook, None)
        if hook == "mail" and checker.exemptible and session.exempt:
            return None
        if hook == "message" and checker.holds and method is not None:
            assert session.transaction is not None
            holding = session.transaction.holding
            return holding.shown(checker, method) if holding is not None else method
        return method

    def _tell_shadow(self, checker: Checker, reply: Reply) -> None:
        reason = b" (%b)" % reply.reason if reply.reason else b""
        self._log.write(log.FATAL, b"shadow ", checker.name.encode(), b" would refuse: ", reply.line(), reason)

    def show(self, session: Session, event: MessageBlock) -> None:
        """Give a piece of the message to the checkers that have a `block` hook. If one fails the message is deferred at
        its end, since nobody knows what the checker would have found."""
        for checker in self._scanners:
            if not self._works(checker, "block", session, event):
                self._blind = self._blind or not (checker.advisory or checker.shadow)

    def holds(self) -> bool:
        """Whether a checker needs to see the whole message before it is queued."""
        return any(checker.holds for checker in self.checkers)

    def tell(self, hook: str, *arguments: object) -> None:
        """Call a hook that returns nothing, of every checker that has it."""
        for checker in self.checkers:
            if hasattr(checker, hook):
                self._works(checker, hook, *arguments)

    def release(self) -> None:
        """The envelope is complete, or the session over: checkers release what they kept open for it."""
        self._blind = False
        for checker in self.checkers:
            try:
                checker.release()
            except BaseException as error:  # also ConnectionEnded: the other checkers must be called too
                self._trouble(checker, "release", error)
            finally:
                end_unless(self._pid)

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
            raise  # a control file is unreadable, or the connection is over: no error of the checker
        except BaseException as error:  # also SystemExit: a checker must not end the session without a reply
            self._trouble(checker, hook, error)
            return None if checker.advisory else replies.CHECKER_TROUBLE
        finally:
            end_unless(self._pid)

    def _works(self, checker: Checker, hook: str, *arguments: object) -> bool:
        """Call a hook that returns nothing; False if it raised something, which is logged."""
        try:
            getattr(checker, hook)(*arguments)
            return True
        except (ControlError, ConnectionEnded):
            raise
        except BaseException as error:
            self._trouble(checker, hook, error)
            return False
        finally:
            end_unless(self._pid)

    def _trouble(self, checker: Checker, hook: str, error: BaseException) -> None:
        what = b"checker %b failed at %b: " % (checker.name.encode(errors="replace"), hook.encode())
        self._log.trouble(what, log.described(error))
