"""RCPTCHECK and SENDERCHECK: ask bin/qmail-verify whether an address in our domains exists (SPEC section 8).

The helper is started for the first question and ended at DATA. Once it has failed, every later question of the session
fails at once. With LDAPSOFTOK a failure accepts the address, otherwise it is a 451.
"""

from __future__ import annotations

from ..checker import Checker, passes
from ..logs import log
from ..programs.verifier import Verifier
from ..smtp import replies
from ..smtp.address import has_route, split
from ..smtp.events import Rcpt
from ..smtp.replies import Reply, printable
from ._addresslist import match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Event, Mail

EXTENSION_LEVELS = 4  # how many dashes are tried for `x-catchall@host`


def setup(config: Config) -> Checker | None:
    return Verify(config)


def preload() -> None:
    """For a parent that forks: import what `_settings_of_helper` needs."""
    from ..control import catalogue, kept  # noqa: F401


def _settings_of_helper(config: Config) -> tuple[object, ...] | None:
    """The home, and the names and stamps of the control files that qmail-verify reads: a running helper can be used
    again while they are the same. None if a file is too new for its stamp to show a further change."""
    import posix

    from ..control.catalogue import FILES
    from ..control.kept import are_settled, stamp

    names = [name for name, known in FILES.items() if "qmail-verify" in known.program and config.control.has(name)]
    stamps = [stamp(config.control.path(name)) for name in names]
    return (posix.getcwd(), *names, *stamps) if are_settled(stamps) else None


class Verify(Checker):
    exemptible = True

    def __init__(self, config: Config) -> None:
        self._recipients = config.switch("RCPTCHECK")
        self._senders = config.switch("SENDERCHECK")
        self._scope = (config.value("SENDERCHECK") or b"").upper()
        self._softok = config.switch("LDAPSOFTOK")
        self._delay = config.number("BADRCPTDELAY", 0)
        self._good = config.files["goodmailaddr"]
        self._verifier = Verifier(lambda: _settings_of_helper(config))
        self._denial = b""  # the address that the directory refused last and its text, for the log
        # With these, other checks or the sender's look-up may refuse before this check is asked about a recipient.
        self._asks_one_by_one = config.wants(("NOLOCAL", "SENDERCHECK", "SMTP550DISCONNECT"))

    def mail(self, session: Session, event: Mail) -> Reply | Pass | None:
        address = event.address or b""
        if not self._senders or (session.transaction and session.transaction.bounce):
            return None
        good = self._listed_as_good(address)
        if good:
            return passes(good)
        _, domain = split(address)
        if session.hosts.local(domain):
            return self._judge(session, address)
        if self._scope == b"STRICT":
            return replies.SENDER_NOT_OURS
        if self._scope == b"LOOSE" and domain is not None and not session.hosts.accepted(domain):
            return replies.SENDER_NOT_OURS
        return None

    def rcpt(self, session: Session, event: Rcpt) -> Reply | Pass | None:
        address = _whole(session, event.address or b"")
        if not self._recipients or not session.hosts.local(split(address)[1]):
            return None
        return passes(self._listed_as_good(address)) or self._judge(session, address)

    def refused(self, session: Session, event: Event | None, reply: Reply) -> None:
        denial, self._denial = self._denial, b""
        if denial:
            session.log.write(log.ACCOUNT, b"directory refused ", denial)
        if isinstance(event, Rcpt) and reply.code >= 500:
            session.pause(self._delay)

    def release(self) -> None:
        self._verifier.release()

    def _judge(self, session: Session, address: bytes) -> Reply | None:
        letter, text = self._ask(session, address)
        if letter == b"K":
            return None
        if letter == b"D":
            self._denial = address + b": " + text
            return Reply(554, printable(text)) if text else replies.NO_SUCH_MAILBOX
        session.log.write(log.FATAL, b"cannot verify ", address, b": ", text)
        return None if self._softok else replies.VERIFY_TROUBLE

    def _ask(self, session: Session, address: bytes) -> tuple[bytes, bytes]:
        ahead = self._ahead(session) if self._looks_ahead() and self._verifier.wants_more() else []
        return self._verifier.ask(address, ahead, session.children_env(), session.flush)

    def _looks_ahead(self) -> bool:
        """Whether to look up recipients that the client has sent already. Only if no other check can refuse or change
        them first, so that no look-up is made in vain."""
        if not self._recipients or self._asks_one_by_one:
            return False
        return all(check.passes_locals for check in self.earlier if hasattr(check, "rcpt"))

    def _ahead(self, session: Session) -> list[bytes]:
        """The recipients that the client has sent already and that this check will be asked about next."""
        transaction = session.transaction
        if transaction is None or transaction.bounce or transaction.relayclient:
            return []
        coming = []
        for address in (_whole(session, address) for address in session.ahead()):
            if address.endswith(b"]"):
                break  # a literal: Commands may change it into another address
            if has_route(address):
                continue  # routes may refuse it
            if session.hosts.local(split(address)[1]) and not self._listed_as_good(address):
                coming.append(address)
        return coming

    def _listed_as_good(self, address: bytes) -> bytes:
        """The line of control/goodmailaddr that makes a look-up of this address unnecessary, or b""."""
        if self._good is None:
            return b""
        local, domain = split(address)
        found = match(self._good, address)
        if found or domain is None:
            return found
        entries = (b"%b@%b" % (name, domain) for name in catchalls(local))
        return next((self._good.line_of(entry) for entry in entries if entry in self._good), b"")


def _whole(session: Session, address: bytes) -> bytes:
    """The address; one without a domain gets that of this host, as in qmail."""
    return address if b"@" in address else b"%b@%b" % (address, session.config.me)


def catchalls(local: bytes) -> list[bytes]:
    """`a-b-x` -> a-catchall, a-b-catchall, catchall: up to EXTENSION_LEVELS dashes from the left."""
    names: list[bytes] = []
    dash = local.find(b"-")
    while dash >= 0 and len(names) < EXTENSION_LEVELS:
        names.append(local[:dash] + b"-catchall")
        dash = local.find(b"-", dash + 1)
    return [*names, b"catchall"]
