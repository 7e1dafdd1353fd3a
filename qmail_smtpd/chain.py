"""The checker contract and the verdict rule.

A checker is one file in checkers/ with a function `setup(config)` that returns a Checker, or None when nothing
asks for it: then it costs nothing more. Its hooks are called in protocol order; each returns a Reply or None.

    None        no opinion
    accept()    RCPT: this recipient is welcome (somebody has to say so, or it is refused)
    defer()     refused for now, 4xx
    reject()    refused for good, 5xx
    hangup()    refused, and the connection ends
    OVERRULE    accepted, and no later check is asked about this command

The first refusal stops the chain. A checker that raises defers (451) and is logged: trouble never lets mail in,
unless the checker is `advisory`. Sites add their own in control/smtpcheckers, `dotted.module [arguments]` a line;
_template.py documents every hook.
"""

from __future__ import annotations

import sys

from . import log, replies
from .control import ControlError
from .endings import ConnectionEnded
from .replies import Reply, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config
    from .events import Event, MessageBlock
    from .session import Session

SITE = "control/smtpcheckers"  # the place of a site's own checkers in the order

# Name and what has to be configured for it: a variable (upper case) or a control file; nothing means always.
# The order is that of SPEC section 5.
ORDER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("authrequired", ("AUTHREQUIRED",)),
    ("plugins", ("smtpplugins",)),
    ("size", ()),
    ("goodmailfrom", ("goodmailfrom",)),
    ("badmailfrom", ("badmailfrom",)),
    ("badmailpatterns", ("badmailpatterns",)),
    ("badmailfrom_unknown", ("badmailfrom-unknown",)),
    ("nobounce", ("NOBOUNCE",)),
    ("sanitycheck", ("SANITYCHECK",)),
    ("relaymailfrom", ("relaymailfrom",)),
    ("dnsbl", ("RBL",)),
    ("returnmx", ("RETURNMXCHECK",)),
    ("blockrelayprobe", ("BLOCKRELAYPROBE",)),
    ("badrcptto", ("badrcptto",)),
    (SITE, ("smtpcheckers",)),
    ("rcpthosts", ()),
    ("maxrcptcount", ("MAXRCPTCOUNT",)),
    ("bounce", ()),
    ("verify", ("RCPTCHECK", "SENDERCHECK")),
    ("tarpit", ("TARPITCOUNT",)),
    ("rejectexec", ("REJECTEXEC",)),
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


class Chain:
    """The checkers that this configuration asks for, in order."""

    def __init__(self, config: Config, log: log.Log) -> None:
        self.checkers: list[Checker] = []
        self.observe: Callable[[str, Checker, Reply | None], None] | None = None
        self._log = log
        shadow = (config.value("SHADOW") or b"").replace(b",", b" ").split()
        self.shadow = frozenset(name.decode("latin1") for name in shadow)
        for name, wanted_by in ORDER:
            if not config.wants(wanted_by):
                continue
            if name == SITE:
                self._load_site(config)
            else:
                self._add(name, _import(f"{__package__}.checkers.{name}").setup(config))
        self._scanners = [checker for checker in self.checkers if hasattr(checker, "block")]
        self._blind = False  # one of them failed in this message

    def run(self, hook: str, session: Session, event: Event | None) -> Reply | None:
        """Ask every checker that has `hook`: the first refusal, else the last acceptance, else None."""
        if hook == "message" and self._blind:
            return replies.CHECKER_TROUBLE
        verdict = None
        for checker in self.checkers:
            method = getattr(checker, hook, None)
            if method is None or (hook == "mail" and checker.excusable and session.excused):
                continue
            reply = self._ask(checker, hook, method, session, event)
            if self.observe:
                self.observe(hook, checker, reply)
            if reply is None:
                continue
            if not reply.refuses:
                verdict = reply
                if hook == "rcpt":
                    event.accepted = True  # type: ignore[union-attr]
                if reply is OVERRULE:
                    return reply
            elif checker.name in self.shadow:
                because = b" (%b)" % session.because if session.because else b""
                self._log.write(log.FATAL, b"shadow ", checker.name.encode(), b" would refuse: ", reply.line(), because)
            else:
                session.refused_by = checker.name
                self._works(checker, "refused", session, event, reply)
                return reply
        return verdict

    def show(self, session: Session, event: MessageBlock) -> None:
        """A piece of the message for those that look into it. One that fails has not seen it, so it cannot pass."""
        for checker in self._scanners:
            if not self._works(checker, "block", session, event):
                self._blind = self._blind or not (checker.advisory or checker.name in self.shadow)

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
    ) -> Reply | None:
        session.because = b""
        try:
            reply = method(session, event)
            if reply is not None and not (isinstance(reply, Reply) and (reply.refuses or reply.code // 100 == 2)):
                raise TypeError(f"{reply!r} is no verdict")
            return reply
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
        self._log.write(log.FATAL, what, log.described(error))

    def _add(self, name: str, checker: Checker | None) -> None:
        if checker is not None:
            checker.name = name
            self.checkers.append(checker)

    def _load_site(self, config: Config) -> None:
        """A checker that cannot be loaded defers everything: the site meant it to refuse something."""
        listed = config.files["smtpcheckers"]
        for entry in listed.entries() if listed else []:
            try:
                checker = site_checker(entry, config)
            except ControlError:
                raise
            except BaseException as error:
                self._log.write(log.FATAL, b"checker ", entry, b" cannot be loaded: ", log.described(error))
                checker = _Broken()
            self._add((entry.decode("utf-8", "replace").split() or [""])[0], checker)


def site_checker(entry: bytes, config: Config) -> Checker | None:
    """Import and set up what a line of control/smtpcheckers names. Raises what its code raises, and TypeError or
    ValueError for a line or a result that is none."""
    name, *arguments = entry.decode("utf-8", "surrogateescape").split() or [""]
    if not name:
        raise ValueError("no module is named")
    _add_site_path()
    checker = _import(_site_module(name)).setup(config, *arguments)
    if checker is None or isinstance(checker, Checker):
        return checker
    raise TypeError(f"{checker!r} is no Checker")


def _add_site_path() -> None:
    """A site's checkers are looked for in HOME/checkers, in HOME, and among the third-party packages."""
    import posix

    from . import thirdparty

    home = posix.getcwd()
    for folder in (home + "/checkers", home):
        if folder not in sys.path:
            sys.path.append(folder)
    thirdparty.add_to_path()


def _site_module(name: str) -> str:
    """A file in HOME/checkers is meant, also where a module of Python's has the same name."""
    import posix

    try:
        posix.stat(f"checkers/{name}.py")
    except OSError:
        return name
    return f"checkers.{name}"


class _Broken(Checker):
    """In the place of a checker that cannot be loaded."""

    def mail(self, session: Session, event: Event) -> Reply:
        return replies.CHECKER_TROUBLE

    rcpt = mail


def _import(name: str):  # type: ignore[no-untyped-def]
    """importlib.import_module without importlib's Python part."""
    __import__(name)
    return sys.modules[name]
