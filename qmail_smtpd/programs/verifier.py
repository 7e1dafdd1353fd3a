"""The conversation with bin/qmail-verify: addresses are sent, answers come back in the same order (SPEC section 8).

The helper is started at the first question. Addresses that are sure to be asked next, since the client has sent them
already, are written together with a question: the helper works on them while the client is answered. Once the helper
has failed, every later question of the session fails at once. A worker of the resident mode keeps a helper for its
next session (spare.py).
"""

from __future__ import annotations

from time import monotonic

from . import spare
from .helper import TIMEOUT, Helper, HelperFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

PROGRAM = b"bin/qmail-verify"
LONGEST_TEXT = 1024  # bytes of one answer
_NO_ANSWER = PROGRAM + b" gave no answer"


class Verifier:
    """One session's helper. `facts` returns what the helper's answers depend on besides its environment (spare.py)."""

    def __init__(self, facts: Callable[[], Hashable] = lambda: None) -> None:
        self._facts = facts
        self._helper: Helper | None = None
        self._failed = False
        self._asked: list[bytes] = []  # addresses without an answer yet, oldest first
        self._answers: dict[bytes, tuple[bytes, bytes]] = {}
        self._buffer = b""

    def ask(
        self, address: bytes, ahead: list[bytes], env: dict[bytes, bytes], wait: Callable[[], None]
    ) -> tuple[bytes, bytes]:
        """The answer for `address`: b"K", b"D" or b"Z" and its text; b"Z" if the helper fails.

        `ahead`: addresses that will be asked next. `wait` is called before each wait for the helper, so that the
        replies so far reach the client."""
        if self._failed:
            return b"Z", b"qmail-verify failed before"
        try:
            if address not in self._answers and address not in self._asked:
                self._send([address, *ahead], env)
            while address not in self._answers:
                self._receive(wait)
        except HelperFailed as trouble:
            self._failed = True
            self.release()
            return b"Z", trouble.args[0]
        return self._answers.pop(address)

    def wants_more(self) -> bool:
        """Whether the helper has answered everything, so that the next addresses should be sent to it."""
        return not self._asked

    def release(self) -> None:
        """Let the helper end by closing its input, unless it is kept for the next session."""
        if self._helper:
            in_order = not (self._failed or self._asked or self._buffer)
            if not (in_order and spare.put_back(self._helper)):
                self._helper.close()
            self._helper = None
        self._asked.clear()
        self._answers.clear()
        self._buffer = b""

    def _send(self, addresses: list[bytes], env: dict[bytes, bytes]) -> None:
        """Raises HelperFailed if an answer is left over, which would be taken for that of the next address."""
        if self._buffer and not self._asked:
            raise HelperFailed(PROGRAM + b" gave an answer too many")
        if self._helper is None:
            self._helper = spare.take(PROGRAM, env, self._facts() if spare.allowed else None)
        self._asked += addresses
        self._helper.write(b"".join(address + b"\0" for address in addresses), monotonic() + TIMEOUT)

    def _receive(self, wait: Callable[[], None]) -> None:
        """Read and store one more answer. Raises HelperFailed."""
        assert self._helper is not None
        deadline = monotonic() + TIMEOUT
        while (answer := self._next()) is None:
            wait()
            more = self._helper.read(deadline)
            if not more or len(self._buffer) > LONGEST_TEXT:
                raise HelperFailed(PROGRAM + b" ended in the middle of an answer" if self._buffer else _NO_ANSWER)
            self._buffer += more
        self._answers[self._asked.pop(0)] = answer

    def _next(self) -> tuple[bytes, bytes] | None:
        """Take one complete answer off the buffer; None without one. Raises HelperFailed if it is not an answer."""
        letter, rest = self._buffer[:1], self._buffer[1:]
        if letter == b"K":
            self._buffer = rest
            return letter, b""
        if letter in (b"D", b"Z"):
            text, end, rest = rest.partition(b"\0")
            if not end:
                return None
            self._buffer = rest
            return letter, text
        if letter:
            raise HelperFailed(_NO_ANSWER)
        return None
