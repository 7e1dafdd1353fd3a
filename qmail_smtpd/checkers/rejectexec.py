"""REJECTEXEC: no message with a part that begins like one of control/signatures (SPEC section 7).

Signatures are compared literally from the start of the first line of each part, `*` stands for any one byte.
"""

from __future__ import annotations

from ..checker import Checker
from ..smtp import replies
from ._mime import FirstLines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.config import Config
    from ..control.files import ListFile
    from ..session.facts import Session
    from ..smtp.events import Event, MessageBlock
    from ..smtp.replies import Reply


def setup(config: Config) -> Checker | None:
    listed = config.files["signatures"]
    return RejectExec(listed) if listed and listed.entries() else None


class RejectExec(Checker):
    def __init__(self, listed: ListFile) -> None:
        self._listed = listed
        self._signatures = listed.entries()
        self._lines = FirstLines()
        self._found = b""

    def data(self, session: Session, event: Event) -> None:
        self._lines = FirstLines()
        self._found = b""

    def block(self, session: Session, event: MessageBlock) -> None:
        if self._found:
            return
        for line in self._lines.feed(event.block):
            for signature in self._signatures:
                if _begins(line, signature):
                    self._found = signature

    def message(self, session: Session, event: Event) -> Reply | None:
        return replies.EXECUTABLE.with_reason(self._listed.line_of(self._found)) if self._found else None


def _begins(line: bytes, signature: bytes) -> bool:
    if b"*" not in signature:
        return line.startswith(signature)
    if len(line) < len(signature):
        return False
    return all(want in (b"*"[0], got) for want, got in zip(signature, line, strict=False))
