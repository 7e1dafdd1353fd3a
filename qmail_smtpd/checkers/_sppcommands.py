"""What a qmail-spp plugin says: the commands it prints, each a line, and what they do.

    turn.obey(lines, plugin)     carry them out: a refusal, OVERRULE, NEXT, or None to ask the next plugin

Raises PluginFailed for a command that cannot be carried out: half understood, it might have been a refusal. What
loosens (A, N, O) has to stand alone on its line, so that a stray word is none of them. Replies are sanitised and
always one reply: P adds lines before that of E or R and is dropped without one, since an SMTP command has one reply.
"""

from __future__ import annotations

from ..checker import OVERRULE
from ..programs.spp import Plugin, PluginFailed
from ..smtp import replies
from ..smtp.address import LONGEST
from ..smtp.replies import MultilineReply, Reply, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..session.facts import Session, Transaction
    from ..smtp.events import Mail, Rcpt

NEXT = Reply(250, b"no more plugins for this command")
_LATER = {b"M": b"mail", b"R": b"rcpt", b"D": b"data"}
_LOOSENS = (b"A", b"N", b"O")


class Silence(Reply):
    """No reply at all: the connection is closed."""

    __slots__ = ()

    def encode(self) -> bytes:
        return b""


class Notes:
    """What plugins left for later in a session or a transaction."""

    def __init__(self) -> None:
        self.asking = True  # no plugin has said A
        self.refusals: dict[bytes, Reply] = {}  # by section
        self.headers: list[bytes] = []
        self.rcpts = 0  # RCPT commands so far, also those that were refused
        self.rcptto = b""  # of the last of them
        self.rcpthosts_ok = False


def notes_of(transaction: Transaction) -> Notes:
    """Kept with the transaction: a refused MAIL leaves the one before, and what was said about it, in force."""
    notes: Notes = transaction.notes.setdefault("plugins", Notes())
    return notes


class Turn:
    """One SMTP command while its plugins are asked. `event` is one with an address, or None; `whole` are the
    session's notes."""

    def __init__(self, session: Session, section: bytes, whole: Notes, event: Mail | Rcpt | None = None) -> None:
        self.session = session
        self.section = section
        self.event = event
        self.whole = whole
        self.transaction = session.transaction if section in (b"mail", b"rcpt", b"data") else None
        self.printed: list[bytes] = []
        self.redirected = False
        self._headers: list[bytes] = []
        self._place = b""  # of the plugin that speaks

    def obey(self, lines: list[bytes], plugin: Plugin) -> Reply | None:
        """Carry out what one plugin said, up to the command that is the last by its nature."""
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
            self.log(plugin, b"printed %d lines that are no commands: %.100b" % (len(strange), strange[0]))
        self._keep_headers()
        return verdict

    def log(self, plugin: Plugin, text: bytes) -> None:
        where = b"plugin %b (%b) at %b: " % (plugin.line, plugin.place, self.section)
        self.session.log.trouble(where, text)

    # The commands: each gets what stands behind its letter

    def _no_more_plugins(self, text: bytes) -> Reply:
        self.whole.asking = False
        return NEXT

    def _next(self, text: bytes) -> Reply:
        return NEXT

    def _overrule(self, text: bytes) -> Reply:
        return OVERRULE if self.event is not None else NEXT

    def _refuse(self, text: bytes) -> Reply:
        return self._refusal(text, self.printed)

    def _refuse_and_drop(self, text: bytes) -> Reply:
        reply = self._refusal(text, self.printed)
        reply.hangup = True
        return reply

    def _drop(self, text: bytes) -> Reply:
        return Silence(421, b"dropped without a reply", hangup=True, reason=self._place)

    def _refusal(self, text: bytes, before: list[bytes]) -> Reply:
        reply = _refusal(text, before)
        reply.reason = self._place
        return reply

    def _refuse_later(self, text: bytes) -> Reply | None:
        section = _LATER.get(text[:1])
        if section is None:
            raise PluginFailed(b"refuses at an unknown command: L" + text)
        reply = self._refusal(text[1:], [])
        if self.section == b"data" and section != b"mail":
            return reply  # there is no later in this transaction
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
        elif colon and name and all(32 < byte < 127 for byte in name):
            self._headers.append(printable(text) + b"\n")
        else:
            raise PluginFailed(b"adds what is no header line: " + text)

    def _change_address(self, text: bytes) -> None:
        if self.event is None or self.transaction is None:
            raise PluginFailed(b"changes an address where there is none")
        if len(text) > LONGEST or not (text or self.section == b"mail"):
            raise PluginFailed(b"changes an address to what is none: " + text)
        self.session.change_address(self.event, text)
        if self.section == b"rcpt":
            notes_of(self.transaction).rcptto = text
            self.redirected = True

    def _set(self, text: bytes) -> None:
        name, equals, value = text.partition(b"=")
        if not (name and equals):
            raise PluginFailed(b"sets no variable: " + text)
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
        else:  # the same plugin says the same at every EHLO
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
    return line[:1] in _COMMANDS and (line[:1] not in _LOOSENS or line.rstrip() == line[:1])


def _coded(text: bytes) -> tuple[int | None, bytes]:
    """A reply line as (code, words); the code is None unless it is one that refuses."""
    code = replies.code_of(text)
    return code, text if code is None else printable(text[4:])


def _refusal(text: bytes, before: list[bytes]) -> Reply:
    """The reply of E, R and L, with the lines of P before it. Only a refusal can be said here."""
    code, words = _coded(text)
    if code is None:
        raise PluginFailed(b"refuses without a code 4xx or 5xx: " + text)
    if not before:
        return Reply(code, words)
    first, *rest = [printable(line)[: replies.LONGEST - 4] for line in (*before, words)]
    return MultilineReply(code, first, rest)
