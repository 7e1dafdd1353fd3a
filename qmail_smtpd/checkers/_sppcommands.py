"""The commands that a qmail-spp plugin prints, one per line, and what they do.

    turn.obey(lines, plugin)     carry them out; a refusal, OVERRULE, NEXT (ask no further plugins), or None (ask the
                                 next one)

Raises PluginFailed for a command that cannot be carried out, since it may have been meant as a refusal. Commands that
let mail pass (A, N, O) must stand alone on their line, so that a word of other output is not mistaken for one. Replies
are sanitised. A SMTP command gets one reply: P adds lines before the one of E or R, and has no effect without these.
"""

from __future__ import annotations

from ..checker import OVERRULE
from ..programs.spp import Plugin, PluginFailed
from ..smtp import replies
from ..smtp.address import is_fit
from ..smtp.fields import is_name
from ..smtp.replies import MultilineReply, Reply, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..session.facts import Session, Transaction
    from ..smtp.events import Mail, Rcpt

NEXT = Reply(250, b"no more plugins for this command")
_LATER = {b"M": b"mail", b"R": b"rcpt", b"D": b"data"}
_LETS_PASS = (b"A", b"N", b"O")


class Silence(Reply):
    """No reply at all: the connection is closed without one."""

    __slots__ = ()

    def encode(self) -> bytes:
        return b""


class Notes:
    """What plugins have ordered for later in a session or a transaction."""

    def __init__(self) -> None:
        self.asking = True  # False once a plugin has printed A: no plugin is asked any more
        self.refusals: dict[bytes, Reply] = {}  # by section: later commands to be refused
        self.headers: list[bytes] = []
        self.rcpts = 0  # RCPT commands so far, refused ones included
        self.rcptto = b""  # the recipient of the last of them
        self.rcpthosts_ok = False  # whether its domain is ours


def notes_of(transaction: Transaction) -> Notes:
    """The Notes of a transaction. They are kept in it, since after a refused MAIL the transaction before it is in force
    again, with its notes."""
    notes: Notes = transaction.notes.setdefault("plugins", Notes())
    return notes


class Turn:
    """One SMTP command while its plugins are asked. `event` is given if the command has an address; `whole` are the
    notes of the session."""

    def __init__(self, session: Session, section: bytes, whole: Notes, event: Mail | Rcpt | None = None) -> None:
        self.session = session
        self.section = section
        self.event = event
        self.whole = whole
        self.transaction = session.transaction if section in (b"mail", b"rcpt", b"data") else None
        self.printed: list[bytes] = []
        self.redirected = False
        self._headers: list[bytes] = []
        self._place = b""  # FILE:LINE of the plugin whose output is read

    def obey(self, lines: list[bytes], plugin: Plugin) -> Reply | None:
        """Carry out the output of one plugin, up to the first command that ends it; see the module's docstring."""
        self._place = plugin.place
        verdict = None
        strange: list[bytes] = []
        for line in lines:
            if not is_command(line):
                strange += [line] if line else []
                continue
            verdict = _COMMANDS[line[:1]](self, line[1:])
            if verdict is not None:
                break
        if strange:
            self.log(plugin, b"printed %d lines that are no commands, the first: %.100b" % (len(strange), strange[0]))
        self._keep_headers()
        return verdict

    def log(self, plugin: Plugin, text: bytes) -> None:
        where = b"plugin %b (%b) at %b: " % (plugin.line, plugin.place, self.section)
        self.session.log.trouble(where, text)

    # The commands: `text` is what follows the letter

    def _no_more_plugins(self, text: bytes) -> Reply:
        self.whole.asking = False
        return NEXT

    def _next(self, text: bytes) -> Reply:
        return NEXT

    def _overrule(self, text: bytes) -> Reply:
        return OVERRULE if self.event is not None else NEXT

    def _refuse(self, text: bytes) -> Reply:
        return _refusal(text, self.printed, self._place)

    def _refuse_and_drop(self, text: bytes) -> Reply:
        return _refusal(text, self.printed, self._place, hangup=True)

    def _drop(self, text: bytes) -> Reply:
        return Silence(421, b"dropped without a reply", hangup=True, reason=self._place)

    def _refuse_later(self, text: bytes) -> Reply | None:
        section = _LATER.get(text[:1])
        if section is None:
            raise PluginFailed(b"printed L without M, R or D behind it: L" + text)
        reply = _refusal(text[1:], [], self._place)
        if self.section == b"data" and section != b"mail":
            return reply  # in this transaction there is no later command that could be refused
        notes = self.whole if self.transaction is None or section == b"mail" else notes_of(self.transaction)
        notes.refusals.setdefault(section, reply)
        return None

    def _print(self, text: bytes) -> None:
        code, words = _coded(text)
        self.printed.append(text if code is None else words)

    def _add_header(self, text: bytes) -> None:
        name, colon, _ = text.partition(b":")
        if text[:1] in (b" ", b"\t") and self._headers:
            self._headers[-1] += printable(text) + b"\n"
        elif colon and is_name(name):
            self._headers.append(printable(text) + b"\n")
        else:
            raise PluginFailed(b"printed H with an invalid header line: H" + text)

    def _change_address(self, text: bytes) -> None:
        if self.event is None or self.transaction is None:
            raise PluginFailed(b"printed C at a command without an address")
        if not is_fit(text) or not (text or self.section == b"mail"):
            raise PluginFailed(b"printed C with an invalid address: C" + text)
        self.session.change_address(self.event, text)
        if self.section == b"rcpt":
            notes_of(self.transaction).rcptto = text
            self.redirected = True

    def _set(self, text: bytes) -> None:
        name, equals, value = text.partition(b"=")
        if not (name and equals):
            raise PluginFailed(b"printed S without NAME=VALUE: S" + text)
        self.session.env[name] = value
        if name == b"RELAYCLIENT" and self.session.transaction is not None:
            self.session.transaction.relayclient = value

    def _unset(self, text: bytes) -> None:
        self.session.env.pop(text, None)
        if text == b"RELAYCLIENT" and self.session.transaction is not None:
            self.session.transaction.relayclient = None

    def _keep_headers(self) -> None:
        if self.transaction is not None:
            self.transaction.headers += self._headers
        else:  # each once: the same plugin prints the same at every EHLO
            self.whole.headers += [line for line in self._headers if line not in self.whole.headers]
        self._headers.clear()


_COMMANDS: dict[bytes, Callable[[Turn, bytes], Reply | None]] = {
    b"A": Turn._no_more_plugins,
    b"N": Turn._next,
    b"O": Turn._overrule,
    b"E": Turn._refuse,
    b"R": Turn._refuse_and_drop,
    b"D": Turn._drop,
    b"L": Turn._refuse_later,
    b"P": Turn._print,
    b"H": Turn._add_header,
    b"C": Turn._change_address,
    b"S": Turn._set,
    b"U": Turn._unset,
}


def is_command(line: bytes) -> bool:
    """Whether a line of a plugin's output is a command."""
    return line[:1] in _COMMANDS and (line[:1] not in _LETS_PASS or line.rstrip() == line[:1])


def _coded(text: bytes) -> tuple[int | None, bytes]:
    """A reply line as (code, text); the code is None unless it is a refusal."""
    code = replies.code_of(text)
    return code, text if code is None else printable(text[4:])


def _refusal(text: bytes, before: list[bytes], place: bytes, hangup: bool = False) -> Reply:
    """The reply of E, R and L, with the lines of P before it; `place`: of the plugin, for the log. Raises PluginFailed
    unless it is a refusal."""
    code, words = _coded(text)
    if code is None:
        raise PluginFailed(b"printed a refusal without a code 4xx or 5xx: " + text)
    if not before:
        return Reply(code, words, hangup=hangup, reason=place)
    first, *rest = [printable(line)[: replies.LONGEST - 4] for line in (*before, words)]
    return MultilineReply(code, first, rest, hangup, place)
