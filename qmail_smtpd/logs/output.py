"""Descriptor 2 for the resident mode: a reader of the log that stalls does not stop whoever writes to it.

    output = Output(timeout)   `timeout`: seconds a line may take while the reader keeps up; `fd` is for tests
    output.write(line)          a line, with its LF, of at most what a pipe takes at once; whether it is out
    output.lost                 lines that are not, since this number was last set to 0

Once a line was lost nobody waits until the next one goes out. Raises nothing. What a pipe is to us it need not be to
others who have it: so it is opened once more where that is allowed, and asked before each line where it is not.
"""

from __future__ import annotations

import posix
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

MSG_DONTWAIT = 0x40  # of send(2); `socket` is not imported for a log that is none
_S_IFMT, _S_IFIFO, _S_IFSOCK = 0o170000, 0o010000, 0o140000


class Output:
    """See the module's text."""

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
        return {self._socket.fileno() if self._socket else self._fd}

    def _writes(self, line: bytes) -> bool:
        """Whether it could be written at once, or never will."""
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
    """The same pipe, for us alone without blocking; `fd` itself where that is not ours to open."""
    try:
        return posix.open(f"/proc/self/fd/{fd}", posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except OSError:
        return fd
