"""control/smtpplugins: qmail-spp plugins (not written yet)."""

from __future__ import annotations

from ..chain import Checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..config import Config


def setup(config: Config) -> Checker | None:
    return None
