"""DATABYTES: refuse a MAIL that announces a larger message with SIZE= (RFC 1870; SPEC section 5, MAIL 4).

session/delivery.py checks the real size at the end of each message.
"""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies
from ..smtp.address import size_parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..session.facts import Session
    from ..smtp.events import Mail
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    return Size(config.databytes) if config.databytes else None


class Size(Checker):
    def __init__(self, most: int) -> None:
        self._most = most

    def mail(self, session: Session, event: Mail) -> Reply | None:
        announced = size_parameter(event.parameters)
        return replies.TOO_BIG if announced is not None and announced > self._most else None
