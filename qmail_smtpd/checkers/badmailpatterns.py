"""control/badmailpatterns: senders to refuse, with wildcards; the last line that matches decides (SPEC section 5, MAIL
6a).

A line with a leading `!` lets the sender pass. The empty sender never matches. badmailfrom is asked first, so `!` does
not help a sender that it lists.
"""

from __future__ import annotations

from ..checker import Checker, passes
from ..smtp import replies
from ._wildcards import compile_pattern, matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..checker import Pass
    from ..control.config import Config
    from ..control.files import ListFile
    from ..session.facts import Session
    from ..smtp.events import Mail
    from ..smtp.replies import Reply
    from ._wildcards import Pattern


def setup(config: Config) -> Checker | None:
    listed = config.files["badmailpatterns"]
    return BadMailPatterns(listed) if listed else None


class BadMailPatterns(Checker):
    exemptible = True

    def __init__(self, listed: ListFile) -> None:
        self._listed = listed
        self._patterns: list[tuple[Pattern, bool, bytes]] = []  # last line first: (pattern, whether it exempts, line)

    def mail(self, session: Session, event: Mail) -> Reply | Pass | None:
        sender = (event.address or b"").lower()
        if not sender:
            return None
        if not self._patterns:
            self._patterns = [_compiled(line) for line in reversed(self._listed.entries())]
        for pattern, exempts, line in self._patterns:
            if matches(pattern, sender):
                reason = self._listed.line_of(line)
                return passes(reason) if exempts else replies.BAD_SENDER.with_reason(reason)
        return None


def _compiled(line: bytes) -> tuple[Pattern, bool, bytes]:
    exempts = line.startswith(b"!")
    return compile_pattern((line[1:] if exempts else line).lower()), exempts, line
