"""How we leave a client that may be speaking still.

A socket that is closed with input unread is answered for with RST, and that takes our last reply out of the client's
hands: it would never learn why, and come again for days. So what it still sends is read and thrown away, to the end of
its connection, until it is silent for SILENCE seconds, for LONGEST seconds, or for MOST bytes, whichever comes first.
Imported only by a session that ends so; inside TLS the raw bytes are as good as any.
"""

from __future__ import annotations

import _socket
import posix
import select
from time import monotonic

from .standard import is_socket

SILENCE, LONGEST = 5.0, 30.0  # seconds
MOST = 1 << 27  # bytes
BLOCK = 1 << 16


def linger(fd_in: int, fd_out: int) -> None:
    """Say no more, and hear the client out. Raises nothing."""
    _say_no_more(fd_out)
    poll = select.poll()
    poll.register(fd_in, select.POLLIN)
    deadline = monotonic() + LONGEST
    heard = 0
    while heard < MOST and (left := deadline - monotonic()) > 0 and poll.poll(min(left, SILENCE) * 1000):
        try:
            block = posix.read(fd_in, BLOCK)
        except OSError:
            return
        if not block:
            return
        heard += len(block)


def leave_at_once(fd: int) -> None:
    """Say no more, and hear only what the client has said already: for whoever has others to serve. Raises nothing."""
    _say_no_more(fd)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    try:
        if poll.poll(0):
            posix.read(fd, BLOCK)
    except OSError:
        pass  # it has gone already


def _say_no_more(fd: int) -> None:
    """The client sees the end of what we say."""
    try:
        if is_socket(fd):
            ours = _socket.socket(fileno=fd)
            try:
                ours.shutdown(_socket.SHUT_WR)
            finally:
                ours.detach()
        else:
            null = posix.open("/dev/null", posix.O_WRONLY | posix.O_CLOEXEC)
            posix.dup2(null, fd)
            posix.close(null)
    except OSError:
        pass  # it has gone already
