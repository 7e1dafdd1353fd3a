"""BLOCKRELAYPROBE: no @, % or ! before the last @ of a recipient (SPEC section 5, RCPT 3)."""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies
from ..smtp.address import has_route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Rcpt
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    return BlockRelayProbe()


class BlockRelayProbe(Checker):
    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        return replies.RELAY_PROBE if has_route(event.address or b"") else None
