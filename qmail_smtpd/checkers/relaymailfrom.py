"""control/relaymailfrom: senders that may relay, for this transaction only (SPEC section 5, MAIL 10; section 13)."""

from __future__ import annotations

from ..checker import Checker, passes
from ._addresslist import match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..control.files import ListFile
    from ..session.facts import Session
    from ..smtp.events import Mail


def setup(config: Config) -> Checker | None:
    listed = config.files["relaymailfrom"]
    return RelayMailFrom(listed) if listed else None


class RelayMailFrom(Checker):
    def __init__(self, listed: ListFile) -> None:
        self._listed = listed

    def mail(self, session: Session, event: Mail) -> Pass | None:
        reason = match(self._listed, event.address or b"", users=False)
        if reason and session.transaction and session.transaction.relayclient is None:
            session.transaction.relayclient = b""
        return passes(reason)
