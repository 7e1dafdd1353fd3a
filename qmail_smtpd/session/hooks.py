"""What a checker is: the base class, its hooks, and the words it answers with.

A checker is one file in checkers/ with a function `setup(config)` that returns a Checker, or None when nothing
asks for it: then it costs nothing more. Its hooks are called in protocol order; each returns a Reply or None.

    None        no opinion
    accept()    RCPT: this recipient is welcome (somebody has to say so, or it is refused)
    defer()     refused for now, 4xx
    reject()    refused for good, 5xx
    hangup()    refused, and the connection ends
    OVERRULE    accepted, and no later check is asked about this command

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
    "data",
    "block",
    "message",
    "refused",
    "release",
)


class Checker:
    """The base of every checker; the hooks it lacks are not called."""

    name = ""  # set by the chain: the module's name
    excusable = False  # its `mail` is skipped for senders that goodmailfrom excuses
    advisory = False  # trouble in it lets mail pass

    def refused(self, session: Session, event: Event | None, reply: Reply) -> None:
        """Our refusal stands, it was not one in the SHADOW: the place for what goes with it."""

    def release(self) -> None:
        """Let go of helpers, connections and the like: the envelope is over, or the session is."""


OVERRULE = Reply(250, b"ok")


def accept(text: str | bytes = b"ok") -> Reply:
    return Reply(250, _text(text))


def defer(text: str | bytes = b"try again later", code: int = 451, esc: str | bytes = b"4.3.0") -> Reply:
    return Reply(code, _text(text), _text(esc))


def reject(text: str | bytes = b"not here", code: int = 553, esc: str | bytes = b"5.7.1") -> Reply:
    return Reply(code, _text(text), _text(esc))


def hangup(text: str | bytes = b"good bye", code: int = 554, esc: str | bytes = b"5.7.1") -> Reply:
    return Reply(code, _text(text), _text(esc), hangup=True)


def _text(text: str | bytes) -> bytes:
    return printable(text.encode("utf-8", "replace") if isinstance(text, str) else text)
