"""BLOCKRELAYPROBE: no @, % or ! before the last @ of a recipient (SPEC section 5, RCPT 3)."""

from __future__ import annotations

from .. import replies
from ..address import split
from ..chain import Checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..config import Config
    from ..events import Rcpt
    from ..replies import Reply
    from ..session import Session


def setup(config: Config) -> Checker | None:
    return BlockRelayProbe()


class BlockRelayProbe(Checker):
    def rcpt(self, session: Session, event: Rcpt) -> Reply | None:
        user, _ = split(event.address or b"")
        return replies.RELAY_PROBE if any(byte in b"@%!" for byte in user) else None
