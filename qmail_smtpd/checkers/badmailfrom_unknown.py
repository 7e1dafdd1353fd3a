"""control/badmailfrom-unknown: senders to refuse if the client has no name in the DNS (SPEC section 5, MAIL 7)."""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies
from ._addresslist import match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..control.files import ListFile
    from ..session.facts import Session
    from ..smtp.events import Mail
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    listed = config.files["badmailfrom-unknown"]
    return BadMailFromUnknown(listed) if listed else None


class BadMailFromUnknown(Checker):
    exemptible = True

    def __init__(self, listed: ListFile) -> None:
        self._listed = listed

    def mail(self, session: Session, event: Mail) -> Reply | None:
        if session.client.has_name():
            return None
        reason = match(self._listed, event.address or b"")
        return replies.BAD_SENDER_UNKNOWN_HOST.with_reason(reason) if reason else None
