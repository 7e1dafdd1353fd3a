"""A helper program on a pair of pipes: qmail-verify and auth_smtp (SPEC section 8).

Every wait has a deadline; the caller sends its replies to the client before it asks. A helper that cannot be executed
is no error at its start: it gives no answer, as recorded from the original.
"""

from __future__ import annotations

import posix
import select
from time import monotonic

from . import process
from .process import reap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 30.0  # seconds
LARGEST_SCRIPT = 1024  # bytes: our own programs in bin/ have a few lines
PIPE_BUF = 4096  # bytes that a pipe which polls as writable accepts without blocking


# Programs that a resident process has in memory: path -> (what its file held when it was loaded, its main).
PRELOADED: dict[bytes, tuple[bytes, Callable[[], int]]] = {}

_released: list[int] = []  # pids of helpers that were closed and end by themselves, not reaped yet


class HelperFailed(Exception):
    """No answer: it crashed, ended, hung, or never started. args[0] says which, as bytes for the log."""


class Helper:
    """A running helper, to whose fd 0 and 1 we have pipes. Raises nothing when it cannot start: `read` tells that."""

    def __init__(self, path: bytes, env: dict[bytes, bytes]) -> None:
        self.path = path
        self._pid = 0
        to_helper = from_helper = None
        try:
            to_helper = posix.pipe()
            from_helper = posix.pipe()
            fds = {0: to_helper[0], 1: from_helper[1]}
            if is_preloaded(path):
                self._pid = process.fork(path, PRELOADED[path][1], env, fds)
            else:
                self._pid = process.spawn([path], env, fds)
        except OSError:
            pass  # the first `read` raises HelperFailed
        self._input = _keep(to_helper, 1)
        self._output = _keep(from_helper, 0)

    def write(self, data: bytes, deadline: float) -> None:
        """Send `data` until `deadline` (time.monotonic).

        Raises nothing: if the helper does not read it, it will not answer, and `read` tells that."""
        if self._input < 0:
            return
        poll = select.poll()
        poll.register(self._input, select.POLLOUT)
        view = memoryview(data)
        while view and poll.poll(max(0.0, deadline - monotonic()) * 1000):
            try:
                view = view[posix.write(self._input, view[:PIPE_BUF]) :]
            except OSError:
                return

    def read(self, deadline: float) -> bytes:
        """Some output, b"" at its end. At `deadline` (time.monotonic) the helper is killed. Raises HelperFailed."""
        if not self._pid:
            raise HelperFailed(self.path + b" cannot be executed")
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        if not poll.poll(max(0.0, deadline - monotonic()) * 1000):
            self.kill()  # a hung helper would not notice that its pipes are closed
            raise HelperFailed(self.path + b" does not answer")
        try:
            return posix.read(self._output, 4096)
        except OSError as error:
            raise HelperFailed(self.path + b" cannot be read") from error

    def wait(self, deadline: float) -> int:
        """Close the pipes and wait for its end: its status as process.py has it; -SIGKILL if it had to be killed at
        `deadline` (time.monotonic)."""
        self._close_pipes()
        status = reap(self._pid, deadline - monotonic())
        if status is None:
            self.kill()
            return -process.SIGKILL
        self._pid = 0
        return status

    def kill(self) -> None:
        """End it at once."""
        self._close_pipes()
        if self._pid:
            process.kill(self._pid)
            self._pid = 0

    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._pid != 0 and process.look(self._pid) is None

    def descriptors(self) -> set[int]:
        """Our ends of its pipes."""
        return {fd for fd in (self._input, self._output) if fd >= 0}

    def close(self) -> None:
        """Close the pipes without waiting: it sees the end of its input and ends by itself."""
        self._close_pipes()
        if self._pid:
            _released.append(self._pid)
            self._pid = 0
        # Those that were closed earlier have ended by now: this way a long session leaves no zombies. The last one is
        # reaped by init.
        _released[:] = [pid for pid in _released if reap(pid, 0) is None]

    def _close_pipes(self) -> None:
        self._input = _close(self._input)
        self._output = _close(self._output)


def is_preloaded(path: bytes) -> bool:
    """Whether the program at `path` is in memory, and its file has not changed since."""
    return path in PRELOADED and text_of(path) == PRELOADED[path][0]


def text_of(path: bytes) -> bytes:
    """What a program's file holds; b"" if it cannot be executed, or is larger than our own programs are."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        text = posix.read(fd, LARGEST_SCRIPT) if posix.access(path, posix.X_OK) else b""
        return text if len(text) < LARGEST_SCRIPT else b""
    except OSError:
        return b""
    finally:
        posix.close(fd)


def _keep(pipe: tuple[int, int] | None, ours: int) -> int:
    """Close the other end of a pipe and return end number `ours`; -1 without a pipe."""
    if pipe is None:
        return -1
    posix.close(pipe[1 - ours])
    return pipe[ours]


def _close(fd: int) -> int:
    """Close `fd` unless it is -1; returns -1."""
    if fd >= 0:
        posix.close(fd)
    return -1
