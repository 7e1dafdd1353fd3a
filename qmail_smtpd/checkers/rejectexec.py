"""REJECTEXEC: refuse messages with a part that begins like one of control/signatures (SPEC section 7).

The first line of each part is compared with each signature, byte by byte from its start; `*` matches any one byte. For
some mail programs a lone CR ends a line: from the first one on, a second reader reads the message that way. A message
with more parts or longer fields than the readers can follow is refused too.

As in the original this is no real protection: a blank line before it, another encoding, or an archive hides a program.
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
        self._lenient: FirstLines | None = None  # the second reader, for which a lone CR ends a line
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
        if any(reader.over_limit for reader in readers):
            return replies.EXECUTABLE.with_reason(b"too many MIME parts, or too long a Content-Type, to be searched")
        return None


def _begins(line: bytes, signature: bytes) -> bool:
    if b"*" not in signature:
        return line.startswith(signature)
    if len(line) < len(signature):
        return False
    return all(want in (b"*"[0], got) for want, got in zip(signature, line, strict=False))
