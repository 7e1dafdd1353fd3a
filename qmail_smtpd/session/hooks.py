"""What a checker is: the base class, its hooks, and the words it answers with.

A checker is one file in checkers/ with a function `setup(config)` that returns a Checker, or None when nothing
asks for it: then it costs nothing more. Its hooks are called in protocol order; each returns a Reply or None.

    None        no opinion
    accept()    RCPT: this recipient is welcome (somebody has to say so, or it is refused)
    defer()     refused for now, 4xx
    reject()    refused for good, 5xx
    hangup()    refused, and the connection ends
    OVERRULE    accepted, and no later check is asked about this command
    passes()    no opinion either, but a reason for it that qmail-smtpd-explain can show

Each takes `reason`, the place that decided: control/FILE:LINE. The chain makes a Verdict of the answers (verdict.py).

Sites add their own in control/smtpcheckers, `dotted.module [arguments]` a line; checkers/_template.py documents
every hook. `qmail_smtpd.checker` is the face that they import.
"""

from __future__ import annotations

from ..smtp.replies import Reply, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..smtp.events import Event
    from .facts import Session

# Every hook, in the order of the protocol: what a checker may define.
HOOKS = (
    "connect",
    "helo",
    "auth",
    "authenticated",
    "mail",
    "rcpt",
    "rcpt_refused",
    "unknown",
    "data",
    "block",
    "message",
    "refused",
    "release",
    "ended",
)


class Checker:
    """The base of every checker; the hooks it lacks are not called."""

    name = ""  # set by the chain: the module's name
    earlier: tuple[Checker, ...] = ()  # set by the chain: those that are asked before it
    shadow = False  # set by the chain: SHADOW names it, so nothing that it wants may happen
    exemptible = False  # its `mail` is skipped for senders that goodmailfrom exempts
    counts = False  # a recipient that it refuses counts as one all the same (MAXRCPTCOUNT, TARPITCOUNT)
    advisory = False  # trouble in it lets mail pass
    holds = False  # its `message` sees the message and may edit it (SPEC section 14); asked once `data` is over

    def refused(self, session: Session, event: Event | None, reply: Reply) -> None:
        """Our refusal stands, it was not one in the SHADOW: the place for what goes with it."""

    def release(self) -> None:
        """Let go of helpers, connections and the like: the envelope is over, or the session is."""


OVERRULE = Reply(250, b"ok")


class Pass:
    """No opinion, and the reason why."""

    __slots__ = ("reason",)

    def __init__(self, reason: bytes) -> None:
        self.reason = reason


def passes(reason: bytes) -> Pass | None:
    return Pass(reason) if reason else None


def accept(text: str | bytes = b"ok", reason: bytes = b"") -> Reply:
    return Reply(250, _text(text), reason=reason)


def defer(
    text: str | bytes = b"try again later", code: int = 451, esc: str | bytes = b"4.3.0", reason: bytes = b""
) -> Reply:
    return Reply(code, _text(text), _text(esc), reason=reason)


def reject(text: str | bytes = b"not here", code: int = 553, esc: str | bytes = b"5.7.1", reason: bytes = b"") -> Reply:
    return Reply(code, _text(text), _text(esc), reason=reason)


def hangup(text: str | bytes = b"good bye", code: int = 554, esc: str | bytes = b"5.7.1", reason: bytes = b"") -> Reply:
    return Reply(code, _text(text), _text(esc), hangup=True, reason=reason)


def _text(text: str | bytes) -> bytes:
    return printable(text.encode("utf-8", "replace") if isinstance(text, str) else text)
