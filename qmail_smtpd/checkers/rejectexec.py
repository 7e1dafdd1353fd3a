"""REJECTEXEC: no message with a part that begins like one of control/signatures (SPEC section 7).

Signatures are compared literally from the start of the first line of each part, `*` stands for any one byte. A lone CR
ends a line for some mail programs and not for others: from the first one on a second reader looks at the message their
way. A message with more inside than the readers keep track of is refused too.

Advisory all the same, as in the original: a blank line first, another encoding or an archive hides a program well.
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
        self._begin()

    def data(self, session: Session, event: Event) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lines = FirstLines()
        self._lenient: FirstLines | None = None  # a CR is a line end
        self._found = b""

    def block(self, session: Session, event: MessageBlock) -> None:
        if self._found:
            return
        block = event.block
        if self._lenient is None and b"\r" in block:
            self._lenient = self._lines.twin()
        lines = self._lines.feed(block)
        if self._lenient is not None:
            lines += self._lenient.feed(block.replace(b"\r", b"\n"))
        for line in lines:
            for signature in self._signatures:
                if _begins(line, signature):
                    self._found = signature

    def message(self, session: Session, event: Event) -> Reply | None:
        if self._found:
            return replies.EXECUTABLE.with_reason(self._listed.line_of(self._found))
        readers = [self._lines] if self._lenient is None else [self._lines, self._lenient]
        return replies.EXECUTABLE.with_reason(b"too much inside") if any(one.beyond for one in readers) else None


def _begins(line: bytes, signature: bytes) -> bool:
    if b"*" not in signature:
        return line.startswith(signature)
    if len(line) < len(signature):
        return False
    return all(want in (b"*"[0], got) for want, got in zip(signature, line, strict=False))
