"""control/smtpmilters: every milter is a check of its own, with its own name (SPEC section 15).

They are asked in file order, each about the message with the edits of those before it. NOMILTERS skips all of them, or
those that it names. filters/milterclient.py speaks the protocol; this module collects what a milter is to know, applies
its answers and logs them.
"""

from __future__ import annotations

from posix import getpid
from time import monotonic, time_ns

from ..checker import Checker
from ..control.config import names_in
from ..filters import milter
from ..filters.milterclient import MilterClient
from ..filters.settings import MILTER_OPTIONS, read
from ..filters.verdicts import greeting
from ..logs.log import FATAL
from ..smtp.events import Mail, Rcpt
from . import _macros

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..control.config import Config
    from ..filters.milter import Fields
    from ..filters.settings import Filter
    from ..logs.log import Facts
    from ..programs.spool import Spool
    from ..session.facts import Session, Transaction
    from ..smtp.events import Auth, Data, EndOfMessage, Helo, Unknown
    from ..smtp.replies import Reply


def setup(config: Config) -> list[Checker]:
    listed = config.files["smtpmilters"]
    settings = read(listed, MILTER_OPTIONS) if listed else []
    return [Milter(one) for one in settings if not skips(config.value("NOMILTERS"), one.name)]


def skips(value: bytes | None, name: str) -> bool:
    """Whether NOMILTERS skips the milter of this name; an empty value skips all."""
    if value is None:
        return False
    names = names_in(value)
    return not names or name.encode() in names


class Milter(Checker):
    """One milter in one session."""

    def __init__(self, settings: Filter) -> None:
        self.name = settings.name
        self._settings = settings
        self._client: MilterClient | None = None
        self._mechanism = b""  # of AUTH
        self._transaction: Transaction | None = None  # the one whose MAIL the milter got last
        self._concerned = False  # whether it is asked about that one (option for=)
        self._told: set[bytes] = set()  # the recipients that it got
        self._last: Rcpt | None = None  # the last of them
        self._record()

    @property
    def holds(self) -> bool:  # type: ignore[override]
        """The message is held unless the milter has decided before, or is not asked."""
        return self._concerned and self._client is not None and self._client.decided is None

    # The hooks

    def connect(self, session: Session, event: None) -> Reply | None:
        client = self._of(session)
        client.values = _macros.of_connection(session)
        if not self._settings.concerns(session.user, session.relayclient() is not None):
            client.about(_about(session), None)
            return None
        self._record()
        reply = self._ask(session, lambda: client.connect(_about(session)))
        return greeting(reply) if reply is not None else None

    def helo(self, session: Session, event: Helo) -> Reply | None:
        client = self._of(session)
        client.values = {**_macros.of_connection(session), **_macros.of_encryption(session)}
        if not self._settings.concerns(session.user, session.relayclient() is not None):
            client.about(_about(session), event.name)
            return None
        return self._ask(session, lambda: client.helo(event.name))

    def authenticated(self, session: Session, event: Auth) -> Reply | None:
        self._mechanism = event.mechanism
        return None

    def mail(self, session: Session, event: Mail) -> Reply | None:
        return self._begin(session, event)

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        return self._recipient(session, event) if self._is_about(session.transaction) else None

    def rcpt_refused(self, session: Session, event: Rcpt) -> None:
        """Refused by another check: milters that have asked for it are told."""
        if self._is_about(session.transaction) and event is not self._last and event.address is not None:
            client = self._of(session)
            client.values.update(_macros.of_rcpt(session, event, refused=True))
            client.refused_rcpt(_words(event))

    def unknown(self, session: Session, event: Unknown) -> Reply | None:
        client = self._of(session)
        return self._ask(session, lambda: client.unknown(event.line))

    def data(self, session: Session, event: Data) -> Reply | None:
        return self._catch_up(session) or (self._ask(session, self._of(session).data) if self._concerned else None)

    def message(self, session: Session, event: EndOfMessage) -> Reply | None:
        client, transaction = self._of(session), session.transaction
        assert transaction is not None
        if transaction.held is None or transaction.edits is None:
            return None  # the milter has decided before, so the message was not held for it
        held, edits = transaction.held, transaction.edits
        reply = self._ask(session, lambda: client.message(held))
        if client.discards:
            edits.discard()
        elif client.wanted is not None:
            client.wanted.apply(edits)
        self._result["edits"] = len(edits.described())
        return reply

    def ended(self) -> None:
        if self._client is not None:
            self._client.close()

    # What they share

    def _begin(self, session: Session, event: Mail) -> Reply | None:
        client, transaction = self._of(session), session.transaction
        assert transaction is not None
        self._transaction = transaction
        self._concerned = self._settings.concerns(session.user, transaction.relayclient is not None)
        self._told.clear()
        client.reset()
        if not self._concerned:
            return None
        self._record()
        client.values = {
            **_macros.of_connection(session),
            **_macros.of_encryption(session),
            **_macros.of_mail(session, event, b"%x.%d" % (time_ns(), getpid()), self._mechanism),
        }
        return self._ask(session, lambda: client.mail(_words(event)))

    def _recipient(self, session: Session, event: Rcpt) -> Reply | None:
        self._told.add(event.address or b"")
        self._last = event
        client = self._of(session)
        client.values.update(_macros.of_rcpt(session, event, refused=False))
        return self._ask(session, lambda: client.rcpt(_words(event)))

    def _is_about(self, transaction: Transaction | None) -> bool:
        return self._concerned and transaction is self._transaction

    def _catch_up(self, session: Session) -> Reply | None:
        """Tell the milter what it has not got yet: an earlier check that OVERRULEs keeps MAIL and RCPT from us."""
        transaction = session.transaction
        assert transaction is not None
        reply = None
        if transaction is not self._transaction:
            reply = self._begin(session, Mail(transaction.sender, []))
        for address in transaction.recipients if self._concerned else []:
            if reply is None and address not in self._told:
                reply = self._recipient(session, Rcpt(address, []))
        return reply

    def _of(self, session: Session) -> MilterClient:
        if self._client is None:

            def complain(trouble: bytes) -> None:
                session.log.write(FATAL, b"filter ", self.name.encode(), b" failed: ", trouble)

            def spool() -> Spool:
                assert session.transaction is not None and session.transaction.edits is not None
                return session.transaction.edits.new_body()

            self._client = MilterClient(self._settings, complain, spool)
        return self._client

    def _ask(self, session: Session, question: Callable[[], Reply | None]) -> Reply | None:
        """The milter's refusal, with the line of control/smtpmilters as its reason, or None. Records verdict and time.
        In SHADOW a milter that has decided about the message is not asked again, so that its verdict is logged once."""
        if self.shadow and session.transaction is not None and self._of(session).decided is not None:
            return None
        session.flush()
        began = monotonic()
        reply = question()
        self._note(session, reply, (monotonic() - began) * 1000)
        return reply.with_reason(self._settings.place) if reply is not None else None

    def _record(self) -> None:
        """Begin a new result for the log: of a message, or of the session before the first message."""
        self._result: Facts = {"filter": self.name, "verdict": ""}
        self._milliseconds = 0.0  # of all its answers
        self._logged = False

    def _note(self, session: Session, reply: Reply | None, milliseconds: float) -> None:
        verdict, transaction = self._of(session).verdict(reply), session.transaction
        if verdict == "discard" and transaction is not None and transaction.edits is None:
            if not self.shadow:
                transaction.discarded = self.name
            elif verdict != self._result["verdict"]:
                session.log.write(FATAL, b"shadow ", self.name.encode(), b" would discard")
        self._milliseconds += milliseconds
        self._result |= {"verdict": verdict, "ms": self._milliseconds}
        # An accepted MAIL makes the log begin a new message. So its result is logged after that, with the first
        # recipient.
        if not self._logged and (reply is not None or transaction is None or self._told):
            session.log.filtered(self._result)
            self._logged = True


def _about(session: Session) -> Fields:
    """The fields of CONNECT: host, family, port, address."""
    ip = session.client.ip
    host = session.client.host if session.client.has_name() else b"[%b]" % ip
    if ip.lower() == b"unknown":
        return host, milter.NO_FAMILY
    port = session.env.get(b"TCPREMOTEPORT", b"")
    number = int(port) if port.isdigit() and int(port) < 65536 else 0
    return host, milter.INET6 if b":" in ip else milter.INET, number, ip


def _words(event: Mail | Rcpt) -> list[bytes]:
    """The fields of MAIL and RCPT: the address in brackets, then the parameters."""
    return [b"<%b>" % (event.address or b""), *event.parameters]
