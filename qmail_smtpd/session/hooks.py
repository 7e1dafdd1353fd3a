"""The base class of checkers, their hooks, and the answers that hooks return.

A checker is one file in checkers/ with a function `setup(config)` that returns a Checker, or None if it is not
configured. Its hooks are called in the order of the protocol; each returns one of these:

    None        no opinion
    accept()    RCPT: accept this recipient; one that no checker accepts is refused
    defer()     refuse for now, 4xx
    reject()    refuse for good, 5xx
    hangup()    refuse, and end the connection
    OVERRULE    accept, and ask no later checker about this command
    passes()    no opinion, with a reason that qmail-smtpd-explain shows

`reason` is what decided: control/FILE:LINE. The chain makes a Verdict of the answers (verdict.py).

A site lists its own checkers in control/smtpcheckers, one `dotted.module [arguments]` per line. They import
`qmail_smtpd.checker`; checkers/_template.py documents every hook.
"""

from __future__ import annotations

from ..smtp.replies import Reply, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..smtp.events import Event
    from .facts import Session

# Every hook that a checker may define, in the order of the protocol.
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
    """The base class of every checker. Only the hooks that a class defines are called."""

    name = ""  # set when it is loaded: the module's name, or that of the filter
    earlier: tuple[Checker, ...] = ()  # set when all are loaded: the checkers that are asked before it
    shadow = False  # set by the chain: SHADOW names it, so that it must not have any effect
    exemptible = False  # its `mail` is not called for senders that goodmailfrom exempts
    counts = False  # a recipient that it refuses still counts for MAXRCPTCOUNT and TARPITCOUNT
    advisory = False  # an error in it lets mail pass
    passes_locals = False  # its `rcpt` lets a recipient in locals pass as it is, so that verify may look it up before
    holds = False  # its `message` needs the whole message and may edit it (SPEC section 14); read after `data`

    def refused(self, session: Session, event: Event | None, reply: Reply) -> None:
        """This checker's refusal is going to be sent (it is not in SHADOW): log, count or pause here."""

    def release(self) -> None:
        """The envelope is complete, or the session over: end helpers, close connections."""


OVERRULE = Reply(250, b"ok")


class Pass:
    """No opinion, with a reason."""

    __slots__ = ("reason",)

    def __init__(self, reason: bytes) -> None:
        self.reason = reason


def passes(reason: bytes) -> Pass | None:
    """A Pass with this reason, None if it is empty."""
    return Pass(reason) if reason else None


def accept(text: str | bytes = b"ok", reason: bytes = b"") -> Reply:
    """250 text."""
    return Reply(250, _text(text), reason=reason)


def defer(
    text: str | bytes = b"try again later", code: int = 451, esc: str | bytes = b"4.3.0", reason: bytes = b""
) -> Reply:
    """451 text (#4.3.0)."""
    return Reply(code, _text(text), _text(esc), reason=reason)


def reject(text: str | bytes = b"not here", code: int = 553, esc: str | bytes = b"5.7.1", reason: bytes = b"") -> Reply:
    """553 text (#5.7.1)."""
    return Reply(code, _text(text), _text(esc), reason=reason)


def hangup(text: str | bytes = b"good bye", code: int = 554, esc: str | bytes = b"5.7.1", reason: bytes = b"") -> Reply:
    """554 text (#5.7.1), then the connection ends."""
    return Reply(code, _text(text), _text(esc), hangup=True, reason=reason)


def _text(text: str | bytes) -> bytes:
    return printable(text.encode("utf-8", "replace") if isinstance(text, str) else text)
