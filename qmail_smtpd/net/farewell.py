"""Closing a connection while the client may still be sending.

When a socket is closed with unread input, the kernel sends RST, and the client may lose our last reply with it: it
would not learn why it was refused, and try again for days. So what it still sends is read and thrown away: until the
end of its connection, SILENCE seconds without input, LONGEST seconds or MOST bytes, whichever comes first. Only
sessions that need this import it. Within TLS the encrypted bytes are thrown away as they are.
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
    """End our output, then read the client's until one of the limits above. Raises nothing."""
    _end_output(fd_out)
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
    """End our output and read only what the client has sent already, without waiting: for a process that has other
    clients to serve. Raises nothing."""
    _end_output(fd)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    try:
        if poll.poll(0):
            posix.read(fd, BLOCK)
    except OSError:
        pass  # the client has left already


def _end_output(fd: int) -> None:
    """The client sees the end of our output, while its own can still come."""
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
        pass  # the client has closed the connection already
