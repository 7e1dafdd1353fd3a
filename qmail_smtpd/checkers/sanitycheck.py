"""SANITYCHECK: a sender must have a user, an @ and a domain with a dot (SPEC section 5, MAIL 9). Bounces pass."""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies
from ..smtp.address import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Mail
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    return SanityCheck()


class SanityCheck(Checker):
    exemptible = True

    def mail(self, session: Session, event: Mail) -> Reply | None:
        if session.transaction and session.transaction.bounce:
            return None
        user, domain = split(event.address or b"")
        if not domain:
            return replies.SENDER_WITHOUT_AT
        if not user:
            return replies.SENDER_WITHOUT_USER
        return None if b"." in domain else replies.SENDER_WITHOUT_DOT
