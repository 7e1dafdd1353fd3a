"""A helper program on a pair of pipes: qmail-verify and auth_smtp (SPEC section 8).

Every wait is bounded; the caller flushes its replies before it asks. A helper that cannot be executed starts
well and then gives no answer, as recorded from the original.
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
LARGEST_SCRIPT = 1024  # bytes: the programs of ours are a few lines
PIPE_BUF = 4096  # what a pipe that polls as writable takes without blocking


# Programs that a resident process has in memory: path -> (the text of its file then, its main).
PRELOADED: dict[bytes, tuple[bytes, Callable[[], int]]] = {}

_let_go: list[int] = []  # helpers that end by themselves, not reaped yet


class HelperFailed(Exception):
    """No answer: it crashed, ended, hung, or never started. args[0] says which, as bytes for the log."""


class Helper:
    """A running helper; talk over fd 0 and 1 of it."""

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
            pass  # told by the first read
        self._input = _keep(to_helper, 1)
        self._output = _keep(from_helper, 0)

    def write(self, data: bytes, deadline: float) -> None:
        """Raises nothing: a helper that does not read shows when it does not answer."""
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
        """Some output, b"" at its end. After `deadline` (time.monotonic) it is killed. Raises HelperFailed."""
        if not self._pid:
            raise HelperFailed(self.path + b" cannot be executed")
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        if not poll.poll(max(0.0, deadline - monotonic()) * 1000):
            self.kill()  # it would never see that nobody listens any more
            raise HelperFailed(self.path + b" does not answer")
        try:
            return posix.read(self._output, 4096)
        except OSError as error:
            raise HelperFailed(self.path + b" cannot be read") from error

    def wait(self, deadline: float) -> int:
        """How it ended once it has said all (process.py); -SIGKILL, by us, when it outlasts `deadline`."""
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
        """Whether it has not ended."""
        return self._pid != 0 and process.look(self._pid) is None

    def descriptors(self) -> set[int]:
        """Our ends of its pipes."""
        return {fd for fd in (self._input, self._output) if fd >= 0}

    def close(self) -> None:
        """Let it go: it sees the end of its input and ends by itself; init reaps it if we end before it."""
        self._close_pipes()
        if self._pid:
            _let_go.append(self._pid)
            self._pid = 0
        # Whoever was let go earlier has ended by now: a long session leaves no zombies behind.
        _let_go[:] = [pid for pid in _let_go if reap(pid, 0) is None]

    def _close_pipes(self) -> None:
        self._input = _close(self._input)
        self._output = _close(self._output)


def is_preloaded(path: bytes) -> bool:
    """Whether what stands there is a program that is in memory."""
    return path in PRELOADED and text_of(path) == PRELOADED[path][0]


def text_of(path: bytes) -> bytes:
    """What a small program's file holds, b"" if it could not be executed or is none of ours by its size."""
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
    """Our end of a pipe, the other closed; -1 without a pipe."""
    if pipe is None:
        return -1
    posix.close(pipe[1 - ours])
    return pipe[ours]


def _close(fd: int) -> int:
    if fd >= 0:
        posix.close(fd)
    return -1
