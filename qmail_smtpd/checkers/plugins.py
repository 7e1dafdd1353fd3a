"""control/smtpplugins: run plugins written for qmail-spp at connection, helo, auth, mail, rcpt and data.

_sppcommands.py has the commands that a plugin can print. Plugins are asked before our own checks. What a plugin orders
for later commands (LM, LR, LD, H) at connection, helo or auth holds for the session; at mail, rcpt or data it holds for
the transaction, except LM, since the MAIL of that transaction is over: LM holds for the session. RSET does not remove a
refusal. A plugin that fails means 451; it is logged with its name, and no further plugin is asked. Each has
control/spptimeout seconds (default 30). A program that other users could have changed (control/places.py) is not run
but counts as failed. NOSPP: no plugins for this client. SPPCONFFILE: those of another file.
"""

from __future__ import annotations

from ..checker import OVERRULE, Checker, accept
from ..control import places
from ..control.files import ControlError, open_regular, reason
from ..logs import log
from ..programs.spp import BadPluginLine, Plugin, PluginFailed, read_sections
from ..smtp import replies
from ..smtp.address import split
from ..smtp.replies import Reply
from ._sppcommands import Notes, Turn, is_command, notes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Auth, Data, Helo, Mail, Rcpt

FILE = "smtpplugins"
DEFAULT_TIMEOUT = 30  # seconds, unless control/spptimeout says otherwise


def setup(config: Config) -> Checker | None:
    if config.switch("NOSPP"):
        return None
    path, text = listed(config)
    try:
        sections = read_sections(text, path)
    except BadPluginLine as error:
        raise ControlError(path, error.args[0]) from error
    if not any(sections.values()):
        return None
    return Plugins(sections, max(config.control.number("spptimeout", DEFAULT_TIMEOUT), 1), config.switch("NOLOCAL"))


def listed(config: Config) -> tuple[bytes, bytes]:
    """The file that lists the plugins, and its text, empty without the file. Raises ControlError, also if the file
    that SPPCONFFILE names does not exist: it may have refused something."""
    chosen = config.value("SPPCONFFILE")
    if not chosen:
        return config.control.path(FILE), config.control.read(FILE) or b""
    try:
        with open_regular(chosen) as file:
            return chosen, file.read()
    except OSError as error:
        raise ControlError(chosen, reason(error)) from error


class Plugins(Checker):
    def __init__(self, sections: dict[bytes, list[Plugin]], timeout: int, nolocal: bool) -> None:
        self._sections = sections
        self._timeout = timeout
        self._nolocal = nolocal
        self._notes = Notes()  # of the session
        self._mechanism = b""

    # The hooks

    def connect(self, session: Session, event: None) -> Reply | None:
        return self._ask(Turn(session, b"connection", self._notes))

    def helo(self, session: Session, event: Helo) -> Reply | None:
        return self._ask(Turn(session, b"helo", self._notes), {b"SMTPHELOHOST": event.name})

    def authenticated(self, session: Session, event: Auth) -> Reply | None:
        self._mechanism = event.mechanism
        return self._ask(Turn(session, b"auth", self._notes))

    def mail(self, session: Session, event: Mail) -> Reply | None:
        return self._ask(Turn(session, b"mail", self._notes, event))

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        transaction = session.transaction
        assert transaction is not None and event.address is not None
        notes = notes_of(transaction)
        notes.rcpts += 1
        notes.rcptto = event.address
        notes.rcpthosts_ok = self._ours(session, event.address)
        turn = Turn(session, b"rcpt", self._notes, event)
        verdict = self._ask(turn)
        if verdict is OVERRULE:  # rcpthosts.py is skipped, which appends RELAYCLIENT: do that here
            session.change_address(event, event.address + (transaction.relayclient or b""))
        elif verdict is None and turn.redirected and notes.rcpthosts_ok:
            return accept()  # the client's address is ours; the plugin may redirect it to any other
        return verdict

    def data(self, session: Session, event: Data) -> Reply | None:
        assert session.transaction is not None
        session.transaction.headers += self._notes.headers
        return self._ask(Turn(session, b"data", self._notes))

    # Asking

    def _ask(self, turn: Turn, facts: dict[bytes, bytes] | None = None) -> Reply | None:
        """The refusal that was ordered earlier for this command, else the answer of the first plugin that decides."""
        session = turn.session
        earlier = self._said_earlier(turn)
        if earlier is not None:
            return earlier
        plugins = self._sections.get(turn.section, [])
        if plugins and self._notes.asking:
            session.flush()  # the client gets its replies before we wait for plugins
            for plugin in plugins:
                verdict = self._run(plugin, turn, facts or {})
                if verdict is not None:
                    return verdict if verdict.refuses or verdict is OVERRULE else None
        if turn.printed:
            session.log.write(log.REFUSAL, b"plugins printed P, but none refused: ", b" / ".join(turn.printed))
        return None

    def _said_earlier(self, turn: Turn) -> Reply | None:
        for notes in (self._notes, notes_of(turn.transaction) if turn.transaction is not None else self._notes):
            if turn.section in notes.refusals:
                return notes.refusals[turn.section]
        return None

    def _run(self, plugin: Plugin, turn: Turn, facts: dict[bytes, bytes]) -> Reply | None:
        """Run one plugin; a refusal, OVERRULE, NEXT, or None to go on with the next."""
        env = {**self._environment(turn.session), **facts}
        try:
            unsafe = places.trouble(plugin.path)
            if unsafe:
                raise PluginFailed(unsafe.encode("utf-8", "surrogateescape"))
            lines, status = plugin.run(env, self._timeout, turn.session.left)
            verdict = turn.obey(lines, plugin)
            if status and not any(map(is_command, lines)):
                turn.log(plugin, b"exited %d without a command, so it refuses nothing" % status)
        except PluginFailed as trouble:
            turn.log(plugin, trouble.args[0])
            verdict = replies.CHECKER_TROUBLE.with_reason(plugin.place)
        return verdict

    def _environment(self, session: Session) -> dict[bytes, bytes]:
        """The environment of a plugin: that of every program we start, with what the client has said so far."""
        env = session.children_env()
        if session.helo is not None:
            env[b"SMTPHELOHOST"] = session.helo
        if self._mechanism:
            env[b"SMTPAUTHMETHOD"] = self._mechanism
        transaction = session.transaction
        if transaction is not None:
            env[b"SMTPMAILFROM"] = transaction.sender
            notes = notes_of(transaction)
            if notes.rcpts:
                env[b"SMTPRCPTTO"] = notes.rcptto
                env[b"SMTPRCPTCOUNT"] = b"%d" % len(transaction.recipients)
                env[b"SMTPRCPTCOUNTALL"] = b"%d" % notes.rcpts
                env[b"SMTPRCPTHOSTSOK"] = b"%d" % notes.rcpthosts_ok
        return env

    def _ours(self, session: Session, address: bytes) -> bool:
        """Whether rcpthosts.py would accept this recipient."""
        domain = split(address)[1]
        if domain is None or (session.transaction and session.transaction.relayclient is not None):
            return True
        return bool(session.hosts.takes(domain, self._nolocal))
