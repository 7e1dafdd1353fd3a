"""A bounce has one recipient (SPEC section 5, RCPT 7): two are a sign of forged bounces."""

from __future__ import annotations

from .. import replies
from ..chain import Checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..config import Config
    from ..events import Rcpt
    from ..replies import Reply
    from ..session import Session


def setup(config: Config) -> Checker | None:
    return Bounce()


class Bounce(Checker):
    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        transaction = session.transaction
        assert transaction is not None
        return replies.BOUNCE_TO_MANY if transaction.bounce and transaction.rcptcount > 1 else None
