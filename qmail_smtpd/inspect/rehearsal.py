"""A session without a client: a Conversation whose Wire reads a script.

Config, Hosts, Chain, Session, Commands and Protocol are those of a real session; nothing is decided here. For each
command the answers of the checks (Chain.observe), the reply and the log lines are recorded. Pauses are recorded and not
waited for. No queue program is started, and a message is thrown away; but helpers, plugins and name servers are asked.
"""

from __future__ import annotations

import posix

from .. import checkers
from ..checker import OVERRULE, Checker
from ..checkers.dnsbl import DnsBl
from ..control.config import read
from ..control.files import ControlError
from ..control.hosts import Hosts
from ..logs.log import REFUSAL, Log
from ..net.wire import Layer, Wire
from ..session.auth import objection, succeeded
from ..session.chain import Chain
from ..session.commands import Commands
from ..session.conversation import Conversation
from ..session.facts import Session
from ..smtp import replies
from ..smtp.client import Client
from ..smtp.errors import ClientGone
from ..smtp.events import Auth
from ..smtp.replies import Reply
from .findings import shown
from .publiclists import meaning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..checker import Pass

PASSES, ACCEPTS, REFUSES, DEFERS = "passes", "accepts", "refuses", "defers"
SHADOWED, SKIPPED, NOT_ASKED = "would refuse", "skipped", "not asked"
GRANTED = b"RELAYCLIENT"  # the reason that rcpthosts gives if relaying is allowed


class Opinion:
    """The answer of one check to one command. `said` is one of the words above, `reason` `control/FILE:LINE` or ""."""

    def __init__(self, name: str, said: str, reply: Reply | None = None, reason: str = "") -> None:
        self.name = name
        self.said = said
        self.reply = reply
        self.reason = reason


class Step:
    """One command, with the answer of every check, pauses, log lines and the reply."""

    def __init__(self, command: bytes, hook: str) -> None:
        self.command = shown(command)
        self.hook = hook
        self.answers: list[Opinion] = []
        self.pauses: list[float] = []
        self.log: list[str] = []
        self.reply = b""  # as it goes over the wire

    @property
    def code(self) -> int:
        return int(self.reply[:3]) if self.reply[:3].isdigit() else 0

    def last_line(self) -> str:
        return shown(self.reply.rstrip(b"\r\n").rpartition(b"\n")[2])


class Journal(Log):
    """Records log lines, except those that only repeat what the steps show."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__(b"qmail-smtpd", REFUSAL)
        self._steps = steps

    def line(self, *parts: bytes) -> None:
        self._steps[-1].log.append(shown(b"".join(parts)))

    def verified(self, result: bytes, record: bytes) -> None:
        self.line(result, *([b", record: ", record] if record else []))

    def _nothing(self, *told: Any, **more: Any) -> None:
        pass

    connected = greeted = sender = recipient = refused = authenticated = ended = _nothing
    queued = not_queued = found = _nothing


class Encrypted(Layer):
    """Stands for a TLS connection without a client certificate."""

    version, cipher = b"TLS", b"unknown"

    def protocol(self) -> bytes:
        return b"TLS"


class ScriptedWire(Wire):
    """The client: sends the commands of `script`, and only QUIT once it is refused."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__(0)
        self.script: list[tuple[bytes, str]] = []
        self.authenticate: Callable[[bytes], bytes] | None = None  # returns the reply to AUTH for a user
        self._steps = steps

    def read(self) -> bytes:
        while self.script:
            command, hook = self.script.pop(0)
            if self._over(hook) and command != b"QUIT":
                continue
            self._steps.append(Step(name_of(command, hook), hook))
            if hook == "message":
                return command
            if hook != "auth" or self.authenticate is None:
                return command + b"\r\n"
            self.write(self.authenticate(command.removeprefix(b"AUTH ")))
        raise ClientGone

    receive = read  # type: ignore[assignment]

    def write(self, data: bytes) -> None:
        self._steps[-1].reply += data

    def flush(self) -> None:
        pass

    def sleep(self, seconds: float) -> None:
        if seconds:
            self._steps[-1].pauses.append(seconds)

    def readable(self, seconds: float) -> bool:
        self.sleep(seconds)
        return False

    def peer_is_there(self) -> bool:
        return True

    def _over(self, hook: str) -> bool:
        """Whether the client would not go on: after any refusal, except that of one recipient among others."""
        if hook in ("data", "message") and not any(step.hook == "rcpt" and step.code < 400 for step in self._steps):
            return True
        return any(step.code >= 400 and step.hook != "rcpt" for step in self._steps)


class Nowhere:
    """Takes the place of a queue program, and keeps only the header of the message."""

    def __init__(self) -> None:
        self.pid = posix.getpid()
        self.sealed = False
        self._text = b""

    def start(self, program: bytes, env: dict[bytes, bytes]) -> Any:
        return self

    @property
    def header(self) -> bytes:
        return self._text.partition(b"\n\n")[0] + b"\n"

    def write(self, block: bytes) -> None:
        if b"\n\n" not in self._text:
            self._text += block

    def finish(self, envelope: Iterable[bytes], still_there: Callable[[], bool]) -> tuple[int, bytes]:
        self.sealed = True
        return 0, b""

    def abandon(self) -> None:
        pass


def name_of(command: bytes, hook: str) -> bytes:
    """A command as it is shown; `(message)` for a message."""
    return b"(message)" if hook == "message" else command


def module_of(checker: Checker) -> str:
    """The module of a check: a module like `milters` makes several checks with names of their own."""
    return type(checker).__module__.rpartition(".")[2]


class Rehearsal:
    """The session of one client, from the connection to the last RCPT or the end of its message. `queue` has the header
    of the message that would be queued. Milters are asked only if there is a message. The home is the working
    directory. Raises ControlError."""

    def __init__(self, env: dict[bytes, bytes], encrypted: bool, milters: bool) -> None:
        self.steps = [Step(b"(connection)", "connect")]
        self.wire = ScriptedWire(self.steps)
        self.queue = Nowhere()
        self.config = config = read(env)
        self.session = Session(config, Client(env), Hosts(config), Journal(self.steps), self.wire.sleep)
        configured = checkers.configured(config, self.session.log)
        self.unasked = [] if milters else [one for one in configured if module_of(one) == "milters"]
        asked = [one for one in configured if one not in self.unasked]
        self.chain = Chain(asked, config, self.session.log)
        self.chain.observe = self._observe
        self.wire.authenticate = self._authenticate
        if encrypted:
            self.session.encryption = Encrypted()

    def run(self, script: list[tuple[bytes, str]]) -> None:
        """Send each (command, hook) and QUIT; `steps` has the results."""
        self.wire.script = [*script, (b"QUIT", "quit")]
        commands = Commands(self.session, self.chain, self.queue.start)
        try:
            Conversation(lambda: commands, self.wire).run()
        except ControlError as error:
            self.steps[-1].log.append(f"unable to read {shown(error.path)}: {shown(error.reason)}")
            self.steps[-1].reply = replies.CONTROLS_UNREADABLE.encode()
        finally:
            commands.end()
        for step in self.steps:
            self._add_silent(step)

    def _authenticate(self, user: bytes) -> bytes:
        """The reply to a successful AUTH of `user`: everything happens but the call of bin/auth_smtp."""
        event = Auth(b"plain", None)
        refusal = objection(self.session, self.chain, event)
        return (refusal or succeeded(self.session, self.chain, event, user)).encode()

    def _observe(self, hook: str, checker: Checker, answer: Reply | Pass | None) -> None:
        reason = answer.reason if answer is not None else b""
        why = self._relaying_by() if reason == GRANTED else shown(reason)
        reply = answer if isinstance(answer, Reply) else None
        self.steps[-1].answers.append(Opinion(checker.name, self._word_for(checker, reply), reply, why))
        if isinstance(checker, DnsBl):
            self.steps[-1].log += [
                f"{shown(base)} means: {', '.join(meant)}"
                for base, addresses in checker.answers.items()
                if (meant := meaning(base, addresses))
            ]

    def _word_for(self, checker: Checker, reply: Reply | None) -> str:
        if reply is None:
            return PASSES
        if not reply.refuses:
            return f"{ACCEPTS} for all" if reply is OVERRULE else ACCEPTS
        if checker.shadow:
            return SHADOWED
        return REFUSES if reply.code >= 500 else DEFERS

    def _relaying_by(self) -> str:
        """What lets this session relay."""
        if GRANTED in self.session.env:
            return "RELAYCLIENT"
        if self.session.user is not None:
            return "authenticated"
        listed = [answer for step in self.steps for answer in step.answers if answer.name == "relaymailfrom"]
        return listed[-1].reason if listed else "granted in this session"

    def _add_silent(self, step: Step) -> None:
        """Add the checks that have a hook for this command but were not asked."""
        asked = {answer.name: answer for answer in step.answers}
        exempt = "goodmailfrom" in asked and asked["goodmailfrom"].reason
        answers = []
        for checker in self.chain.checkers:
            if checker.name in asked:
                answers.append(asked[checker.name])
            elif hasattr(checker, step.hook) and exempt and checker.exemptible:
                answers.append(Opinion(checker.name, SKIPPED, None, asked["goodmailfrom"].reason))
            elif hasattr(checker, step.hook):
                answers.append(Opinion(checker.name, NOT_ASKED))
        step.answers = answers
