"""control/smtppolicies: every policy server is a check of its own, with its own name (SPEC section 16).

They are asked in file order, at RCPT, DATA or the end of the message, as `at=` says; a message is never held for them.
After OK no later server is asked about this command. DEFER_IF_PERMIT and REDIRECT take effect once all servers were
asked: an additional last check, named `policies`, does that.
"""

from __future__ import annotations

from time import monotonic

from ..checker import Checker
from ..filters import policy
from ..filters.policy import PolicyClient, PolicyFailed, PolicySlow
from ..filters.settings import ACCEPT, POLICY_OPTIONS, read
from ..filters.verdicts import UNAVAILABLE
from ..logs.log import ACCOUNT, FATAL
from ..smtp.events import Data, Rcpt
from . import _attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..filters.policy import Action
    from ..filters.settings import Filter
    from ..session.facts import Session, Transaction
    from ..smtp.events import Auth, EndOfMessage, Event, Helo, Mail
    from ..smtp.replies import Reply

# Actions that are logged, at this level, and have no other effect; FILTER and BCC are not supported.
ONLY_LOGGED = {policy.WARN: FATAL, policy.INFO: ACCOUNT, policy.FILTER: FATAL, policy.BCC: FATAL}

REDIRECTED = "policies"  # in the notes of a transaction: the recipient that it is redirected to


def setup(config: Config) -> list[Checker]:
    listed = config.files["smtppolicies"]
    common = Round()
    asked: list[Checker] = [Policy(one, common) for one in (read(listed, POLICY_OPTIONS) if listed else [])]
    return [*asked, Last(common)] if asked else []


class Round:
    """What the servers have answered about the current command, shared by all of them."""

    def __init__(self) -> None:
        self.attributes = _attributes.AttributeSource()
        self._event: Event | None = None
        self.settled = False  # a server has answered OK
        self.if_permitted: Reply | None = None  # the first DEFER_IF_PERMIT
        self.if_rejected: Reply | None = None  # the first DEFER_IF_REJECT

    def about(self, event: Event) -> None:
        """Forget the answers if this is a new command."""
        if event is not self._event:
            self._event, self.settled = event, False
            self.if_permitted = self.if_rejected = None


class Policy(Checker):
    """One server in one session."""

    def __init__(self, settings: Filter, common: Round) -> None:
        self.name = settings.name
        self._settings = settings
        self._at = settings.word(b"at")
        self._common = common
        self._client = PolicyClient(settings)
        self._slow: Transaction | None = None  # a transaction in which it did not answer in time: not asked again in it

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        return self._asked_at(b"rcpt", session, event)

    def data(self, session: Session, event: Data) -> Reply | None:
        return self._asked_at(b"data", session, event)

    def message(self, session: Session, event: EndOfMessage) -> Reply | None:
        return self._asked_at(b"end", session, event)

    def ended(self) -> None:
        self._client.close()

    def _asked_at(self, stage: bytes, session: Session, event: Event) -> Reply | None:
        transaction = session.transaction
        assert transaction is not None
        self._common.about(event)
        concerned = self._settings.concerns(session.user, transaction.relayclient is not None)
        if stage != self._at or self._common.settled or not concerned:
            return None
        if transaction is self._slow:
            return self._default()
        session.flush()
        began = monotonic()
        try:
            action = self._client.ask(self._common.attributes.of(session, event))
            said = action.shown()
            reply = self._obey(action, session, transaction, event)
        except PolicyFailed as trouble:
            said = b"unavailable"
            reply = self._failed(session, trouble)
        milliseconds = (monotonic() - began) * 1000
        session.log.filtered({"filter": self.name, "verdict": said, "ms": milliseconds})
        return reply.with_reason(self._settings.place) if reply is not None else None

    def _default(self) -> Reply | None:
        return None if self._settings.word(b"default") == ACCEPT else UNAVAILABLE.with_reason(self._settings.place)

    def _failed(self, session: Session, trouble: PolicyFailed) -> Reply | None:
        session.log.write(FATAL, b"filter ", self.name.encode(), b" failed: ", trouble.args[0])
        if isinstance(trouble, PolicySlow):
            self._slow = session.transaction
        return self._default()

    def _obey(self, action: Action, session: Session, transaction: Transaction, event: Event) -> Reply | None:
        """The reply for an action, None if it is no refusal. Raises PolicyFailed if it comes too late."""
        verb = action.verb
        if verb in ONLY_LOGGED:
            session.log.write(ONLY_LOGGED[verb], b"filter ", self.name.encode(), b": ", action.shown())
            return None
        if verb in (policy.REJECT, policy.DEFER, policy.CODE):
            refusal = policy.refusal(action)
            return self._common.if_rejected or refusal if refusal.code >= 500 else refusal
        if verb in (policy.PREPEND, policy.HOLD) and not isinstance(event, (Rcpt, Data)):
            raise PolicyFailed(b"%b at the end of the message, when the header is written already" % verb)
        if verb != policy.DUNNO and self.shadow:
            session.log.write(FATAL, b"shadow ", self.name.encode(), b" would say: ", action.shown())
        elif verb != policy.DUNNO:
            self._do(action, transaction)
        return None

    def _do(self, action: Action, transaction: Transaction) -> None:
        common, verb = self._common, action.verb
        if verb == policy.OK:
            common.settled = True
        elif verb == policy.DEFER_IF_PERMIT:
            common.if_permitted = common.if_permitted or policy.refusal(action).with_reason(self._settings.place)
        elif verb == policy.DEFER_IF_REJECT:
            common.if_rejected = common.if_rejected or policy.refusal(action)
        elif verb == policy.DISCARD:
            transaction.discarded = self.name
        elif verb == policy.REDIRECT:
            transaction.notes[REDIRECTED] = policy.address_of(action)
        else:  # PREPEND, HOLD: the last one added becomes the first line, as in Postfix
            transaction.headers.insert(0, b"%b:%b\n" % policy.field_of(action))


class Last(Checker):
    """Asked after all servers: carries out DEFER_IF_PERMIT and REDIRECT. It also collects facts for the attributes."""

    def __init__(self, common: Round) -> None:
        self._common = common

    def helo(self, session: Session, event: Helo) -> None:
        self._common.attributes.extended = event.extended

    def authenticated(self, session: Session, event: Auth) -> None:
        self._common.attributes.mechanism = event.mechanism

    def mail(self, session: Session, event: Mail) -> None:
        assert session.transaction is not None
        self._common.attributes.begin(session.transaction, event.parameters)

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        return self._deferral(event)

    def data(self, session: Session, event: Data) -> Reply | None:
        return self._deferral(event)

    def message(self, session: Session, event: EndOfMessage) -> Reply | None:
        assert session.transaction is not None
        address = session.transaction.notes.get(REDIRECTED)
        if address is not None:
            session.transaction.recipients = [address]
        return self._deferral(event)

    def _deferral(self, event: Event) -> Reply | None:
        self._common.about(event)
        return self._common.if_permitted
