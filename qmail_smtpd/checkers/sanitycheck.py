"""SANITYCHECK: a sender needs a user, an @ and a domain with a dot (SPEC section 5, MAIL 9). Bounces pass."""

from __future__ import annotations

from .. import replies
from ..address import split
from ..chain import Checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..config import Config
    from ..events import Mail
    from ..replies import Reply
    from ..session import Session


def setup(config: Config) -> Checker | None:
    return SanityCheck()


class SanityCheck(Checker):
    excusable = True

    def mail(self, session: Session, event: Mail) -> Reply | None:
        if session.transaction and session.transaction.bounce:
            return None
        user, domain = split(event.address or b"")
        if not domain:
            return replies.SENDER_WITHOUT_AT
        if not user:
            return replies.SENDER_WITHOUT_USER
        return None if b"." in domain else replies.SENDER_WITHOUT_DOT
