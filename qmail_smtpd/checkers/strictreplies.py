"""STRICTREPLIES: refuse what RFC 5321 forbids and the qmail-ldap family accepts (SPEC section 20;
docs/strictreplies.md).

501 for HELO and EHLO without a name and for addresses that are no path, 555 for unknown parameters and wrong values,
553 for a recipient without a domain (except postmaster), 550 for a message with a lone CR.
"""

from __future__ import annotations

from ..checker import Checker
from ..smtp import strict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Event, Helo, Mail, MessageBlock, Rcpt
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    return StrictReplies(strict.MAIL_PARAMETERS | ({b"AUTH": None} if config.switch("SMTPAUTH") else {}))


class StrictReplies(Checker):
    def __init__(self, mail_parameters: dict[bytes, tuple[bytes, ...] | None]) -> None:
        self._mail_parameters = mail_parameters
        self._lone_cr = False

    def helo(self, session: Session, event: Helo) -> Reply | None:
        return None if event.name.strip() else strict.NO_NAME

    def mail(self, session: Session, event: Mail) -> Reply | None:
        if not strict.is_path(event.argument, b"FROM:"):
            return strict.SYNTAX
        return strict.objection(event.parameters, self._mail_parameters)

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        if not strict.is_path(event.argument, b"TO:"):
            return strict.SYNTAX
        assert event.address is not None
        if b"@" not in event.address and event.address.lower() != b"postmaster":
            return strict.NO_DOMAIN
        return strict.objection(event.parameters, strict.RCPT_PARAMETERS)

    def data(self, session: Session, event: Event) -> None:
        self._lone_cr = False

    def block(self, session: Session, event: MessageBlock) -> None:
        self._lone_cr = self._lone_cr or b"\r" in event.block

    def message(self, session: Session, event: Event) -> Reply | None:
        return strict.BARE_CR if self._lone_cr else None
