"""RCPTCHECK and SENDERCHECK: ask bin/qmail-verify whether an address of ours exists (SPEC section 8).

The helper is started at the first question and let go at DATA. Once it failed, every later question of the
session fails at once. LDAPSOFTOK: trouble accepts.
"""

from __future__ import annotations

from ..checker import Checker, passes
from ..logs import log
from ..programs.verifier import Verifier
from ..smtp import replies
from ..smtp.address import split
from ..smtp.events import Rcpt
from ..smtp.replies import Reply, printable
from ._addresslist import match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Event, Mail

EXTENSION_LEVELS = 4  # dashes looked at for `x-catchall@host`
WELCOMING = ("rcpthosts", "bounce")  # checks that refuse no recipient in locals whom we would be asked about


def setup(config: Config) -> Checker | None:
    return Verify(config)


def preload() -> None:
    """For a parent that forks: what `_goes_by` needs."""
    from ..control import catalogue, kept  # noqa: F401


def _goes_by(config: Config) -> tuple[object, ...] | None:
    """What qmail-verify goes by, the home and its control files by stamp; None while these may change unseen."""
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
        self._verifier = Verifier(lambda: _goes_by(config))
        self._denial = b""  # the address that the directory refused last and what it said, for the log
        # With these a recipient may be refused before we are asked, or its MAIL.
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
        """Only where no other check can refuse a recipient before we are asked, or make another of it: then no look-up
        is made in vain."""
        if not self._recipients or self._asks_one_by_one:
            return False
        return all(check.name in WELCOMING for check in self.earlier if hasattr(check, "rcpt"))

    def _ahead(self, session: Session) -> list[bytes]:
        """Recipients that the client has sent already and that we shall be asked about next."""
        transaction = session.transaction
        if transaction is None or transaction.bounce or transaction.relayclient:
            return []
        coming = []
        for address in (_whole(session, address) for address in session.ahead()):
            if address.endswith(b"]"):
                break  # it may become another address
            if session.hosts.local(split(address)[1]) and not self._listed_as_good(address):
                coming.append(address)
        return coming

    def _listed_as_good(self, address: bytes) -> bytes:
        """The line of goodmailaddr that says that this address needs no directory, or b""."""
        if self._good is None:
            return b""
        local, domain = split(address)
        found = match(self._good, address)
        if found or domain is None:
            return found
        entries = (b"%b@%b" % (name, domain) for name in catchalls(local))
        return next((self._good.line_of(entry) for entry in entries if entry in self._good), b"")


def _whole(session: Session, address: bytes) -> bytes:
    """A recipient without a domain is one of this host, as it is to qmail itself."""
    return address if b"@" in address else b"%b@%b" % (address, session.config.me)


def catchalls(local: bytes) -> list[bytes]:
    """`a-b-x` -> a-catchall, a-b-catchall, catchall: up to EXTENSION_LEVELS dashes from the left."""
    names: list[bytes] = []
    dash = local.find(b"-")
    while dash >= 0 and len(names) < EXTENSION_LEVELS:
        names.append(local[:dash] + b"-catchall")
        dash = local.find(b"-", dash + 1)
    return [*names, b"catchall"]
