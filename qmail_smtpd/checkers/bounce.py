"""A bounce must have one recipient (SPEC section 5, RCPT 7): several are a sign of a forged bounce."""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Rcpt
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    return Bounce()


class Bounce(Checker):
    counts = True
    passes_locals = True  # unless the message is a bounce

    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        transaction = session.transaction
        assert transaction is not None
        return replies.BOUNCE_TO_MANY if transaction.bounce and transaction.counted else None
