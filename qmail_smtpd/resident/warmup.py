"""Sessions that the parent holds with itself before it forks a process for each client.

CPython rewrites the byte-code of a function after its first calls, to suit what it is called with (PEP 659). In a child
each of these writes copies a page that it shares with the parent, and what it has learned ends with it. So the parent
lets a few sessions run first. They have a fixed text and the default checks, but no control files, no log and no queue
program, so that nobody else sees them. One takes a fifth of a millisecond.
"""

from __future__ import annotations

import _socket

from ..control.config import Config
from ..control.files import ControlFiles
from ..logs.log import Log
from ..net.wire import Wire
from ..programs.qmailqueue import Queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..session.delivery import Start

    Converse = Callable[[Config, Wire, Log, Start], int]

TIMES = 20  # CPython 3.11 has rewritten most of a function after 16 calls
TIMEOUT = 1  # second; nothing is ever waited for
DOMAIN = b"example.org\n"
FILES = ("me", "rcpthosts")
SAID = (
    b"EHLO client.example.net\r\n",
    b"MAIL FROM:<sender@example.net>\r\n",
    b"RCPT TO:<recipient@example.org>\r\n",
    b"DATA\r\n",
    b"Subject: warm-up\r\n\r\nA line.\r\n.\r\n",
    b"QUIT\r\n",
)


class _Files(ControlFiles):
    """Of all control files only FILES exist."""

    def read(self, name: str) -> bytes | None:
        return DOMAIN if name in FILES else None

    def has(self, name: str) -> bool:
        return name in FILES


class _NoQueue(Queue):
    """A queue program that takes everything and keeps nothing."""

    def __init__(self, path: bytes, env: dict[bytes, bytes]) -> None:
        self.pid = 1

    def write(self, block: bytes) -> None:
        pass

    def finish(self, envelope: Iterable[bytes], still_there: Callable[[], bool] = lambda: True) -> tuple[int, bytes]:
        for _ in envelope:
            pass
        return 0, b""

    def abandon(self) -> None:
        pass


def warm_up(converse: Converse) -> None:
    """Hold the sessions. `converse` is that of main.py. Raises OSError if the system has no sockets for it."""
    for _ in range(TIMES):
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)  # a read returns one of SAID
        try:
            for text in SAID:
                theirs.send(text)
            fd = ours.fileno()
            converse(Config({}, _Files()), Wire(TIMEOUT, fd, fd), Log(b"qmail-smtpd", 0), _NoQueue)
        finally:
            ours.close()
            theirs.close()
