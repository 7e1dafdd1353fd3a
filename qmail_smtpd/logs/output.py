"""Writing the log in resident mode: a reader of the log that stalls must not stop the sessions.

    output = Output(timeout)    writes to fd 2 (or `fd`, in tests); a line waits at most `timeout` seconds
    output.write(line)          one line with its LF, of at most log.ATOMIC bytes; True unless it was lost
    output.lost                 how many lines were lost since this was last set to 0

After a lost line no line waits at all, until one could be written. Raises nothing.

Setting O_NONBLOCK on an inherited pipe would change it for every other process that has it too. So the pipe is opened
a second time, through /proc; where that fails, it is polled before each line.
"""

from __future__ import annotations

import posix
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

MSG_DONTWAIT = 0x40  # of send(2), written out so that `socket` is imported only where the log is a socket
_S_IFMT, _S_IFIFO, _S_IFSOCK = 0o170000, 0o010000, 0o140000


class Output:
    """See the module's docstring."""

    def __init__(self, timeout: float, fd: int = 2) -> None:
        self.timeout = timeout
        self.lost = 0
        self._stalled = False  # the last line was lost
        self._fd = fd
        self._socket: socket | None = None
        kind = posix.fstat(fd).st_mode & _S_IFMT
        if kind == _S_IFSOCK:
            import _socket

            self._socket = _socket.socket(fileno=posix.dup(fd))
            posix.set_inheritable(self._socket.fileno(), False)
        elif kind == _S_IFIFO:
            self._fd = _opened_anew(fd)
        self._may_block = kind == _S_IFIFO and self._fd == fd

    def write(self, line: bytes) -> bool:
        timeout = 0 if self._stalled else self.timeout
        out = self._writes(line) or (timeout > 0 and self._is_ready(timeout) and self._writes(line))
        self._stalled = not out
        self.lost += not out
        return out

    def _is_ready(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        return bool(poll.poll(seconds * 1000))

    def descriptors(self) -> set[int]:
        """The descriptors that must stay open for the log."""
        return {self._socket.fileno() if self._socket else self._fd}

    def _writes(self, line: bytes) -> bool:
        """Write without waiting. False if it would have to wait; True also if nobody reads the log any more, since
        waiting would not help."""
        if self._may_block and not self._is_ready(0):
            return False
        try:
            if self._socket:
                self._socket.send(line, MSG_DONTWAIT)
            else:
                posix.write(self._fd, line)
        except BlockingIOError:
            return False
        except OSError:
            pass  # nobody reads this log, now or ever
        return True


def _opened_anew(fd: int) -> int:
    """The pipe opened a second time, without blocking; `fd` itself where we may not open it."""
    try:
        return posix.open(f"/proc/self/fd/{fd}", posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError:
        return fd
