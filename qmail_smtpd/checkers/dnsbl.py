"""RBL: refuse or tag mail from clients that a DNS list of control/rbllist lists (SPEC sections 9 and 5, MAIL 11; RFC
5782).

Lines are `BASE ACTION MATCHON MESSAGE`; one with fewer than four fields raises ControlError in setup(). All lists are
asked at once, for at most control/rbltimeout seconds (default 5), and their answers are taken in file order: the first
`reject` line that matches refuses with 553; other lines (all of them with RBLONLYHEADER) add an X-RBL line to the
message. A list that does not answer is logged and skipped. If this host lacks something that a look-up needs, an
exception is raised, so that the client gets 451. Answers are kept for the session; a list without an answer is asked
again at the next MAIL, MOST_FAILURES times altogether.

Answers outside of 127.0.0.0/8 are ignored: they come from wildcards, or from resolvers that invent answers. So is
127.0.0.1, which is never a listing (RFC 5782 section 5). Addresses in 127.255.255.0/24 mean that the list does not
answer our queries; they count only if MATCHON names them.
"""

from __future__ import annotations

from ..checker import Checker, reject
from ..control.files import ControlError
from ..logs import log
from ..smtp import ip
from ..smtp.replies import Reply, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..control.files import ListFile
    from ..session.facts import Session, Transaction
    from ..smtp.events import Event, Mail

DEFAULT_TIMEOUT = 5  # seconds for a whole check
MOST_FAILURES = 2  # how often a list that does not answer is asked in one session
LISTED, FORBIDDEN = b"127.", b"127.255.255."  # what addresses of a listing, and of a refused query, begin with
NEVER_LISTED = b"127.0.0.1"


def setup(config: Config) -> Checker | None:
    listed = config.files["rbllist"]
    entries = read(listed) if listed else []
    return DnsBl(config, entries) if entries else None


def preload() -> None:
    """For a parent that forks: import what `mail` needs."""
    from ..net import rbllist  # noqa: F401


def read(listed: ListFile) -> list[DnsList]:
    """The lines in file order. Raises ControlError."""
    entries = []
    for line in listed.entries():
        where = listed.line_of(line)
        try:
            base, action, matchon, message = line.split(None, 3)
        except ValueError:
            raise ControlError(where, b"not BASE ACTION MATCHON MESSAGE") from None
        entries.append(DnsList(base, action, matchon, message, where))
    return entries


class DnsList:
    """One line of the file; `where` is control/rbllist:LINE."""

    __slots__ = ("base", "key", "rejects", "address", "message", "where")

    def __init__(self, base: bytes, action: bytes, matchon: bytes, message: bytes, where: bytes) -> None:
        self.base = base
        self.key = base.lower()  # several lines with the same BASE share one query
        self.rejects = action != b"addheader"
        self.address = None if matchon.lower() == b"any" else matchon  # the address that must be in the answer
        self.message = printable(message).rstrip(b" ")
        self.where = where

    def matches(self, addresses: list[bytes]) -> bool:
        """Whether this line matches the list's answer."""
        if self.address is None:
            return any(counts(address) and not address.startswith(FORBIDDEN) for address in addresses)
        return counts(self.address) and self.address in addresses

    def header(self) -> bytes:
        """The X-RBL line for the message, with its LF."""
        matched = b"matches with %b and " % self.address if self.address else b""
        return printable(b"X-RBL: (%b) %btells us %b" % (self.base, matched, self.message)) + b"\n"


class DnsBl(Checker):
    exemptible = True

    def __init__(self, config: Config, entries: list[DnsList]) -> None:
        self._entries = entries
        self._timeout = max(config.control.number("rbltimeout", DEFAULT_TIMEOUT), 1)
        self._only_header = config.switch("RBLONLYHEADER")
        self.answers: dict[bytes, list[bytes]] = {}  # key of a list -> its addresses
        self._failures: dict[bytes, int] = {}
        self._said = b""  # base and message of the list that refused last, for the log

    def mail(self, session: Session, event: Mail) -> Reply | None:
        transaction = session.transaction
        client = ip.parse(ip.bare(session.client.ip))
        if transaction is None or transaction.relayclient is not None or client is None:
            return None
        self._ask(session, client)
        return self._judge(session, transaction)

    def refused(self, session: Session, event: Event | None, reply: Reply) -> None:
        said, self._said = self._said, b""
        if said and session.transaction is not None:  # otherwise no list has refused, but a look-up has failed
            session.log.write(log.ACCOUNT, b"rbl refused ", session.transaction.sender, b": ", said)

    def _ask(self, session: Session, client: bytes) -> None:
        """Ask the lists that have not answered yet."""
        all_keys = dict.fromkeys(entry.key for entry in self._entries)
        keys = [key for key in all_keys if key not in self.answers and self._failures.get(key, 0) < MOST_FAILURES]
        if not keys:
            return
        session.flush()  # the client gets its replies before we wait for the lists
        from ..net import rbllist

        for key, said in rbllist.ask(session.env, self._timeout, client, keys).items():
            if said.trouble:
                self._failures[key] = self._failures.get(key, 0) + 1
                session.log.trouble(b"rbl ", key, b" unavailable: ", said.trouble.encode())
                continue
            self.answers[key] = said.addresses
            if said.addresses:
                session.log.write(log.REFUSAL, b"rbl ", key, b" answers ", b" ".join(said.addresses))
            for address in said.addresses:
                self._tell_oddity(session, key, address)

    def _tell_oddity(self, session: Session, key: bytes, address: bytes) -> None:
        """Log an address that is ignored, and why."""
        if not address.startswith(LISTED):
            reason = b"not in 127.0.0.0/8"
        elif address == NEVER_LISTED:
            reason = b"it never means a listed client"
        elif address.startswith(FORBIDDEN) and not self._named(key, address):
            reason = b"the list does not answer queries from our name servers"
        else:
            return
        session.log.write(log.FATAL, b"rbl ", key, b" answer ", address, b" ignored: ", reason)

    def _named(self, key: bytes, address: bytes) -> bool:
        return any(entry.key == key and entry.address == address for entry in self._entries)

    def _judge(self, session: Session, transaction: Transaction) -> Reply | None:
        """The refusal of the first line that matches and rejects; X-RBL lines of those before it are added."""
        for entry in self._entries:
            if not entry.matches(self.answers.get(entry.key, [])):
                continue
            if entry.rejects and not self._only_header:
                self._said = entry.base + b": " + entry.message
                return reject(entry.message, reason=entry.where)
            transaction.headers.append(entry.header())
        return None


def counts(address: bytes) -> bool:
    """Whether an answer can mean that a client is listed."""
    return address.startswith(LISTED) and address != NEVER_LISTED
