"""Run a queue program as qmail-smtpd does: message on fd 0, envelope on fd 1, an error pipe on fd 4 or 6."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .processes import BIN


@dataclass
class Outcome:
    """How a queue program ended: its exit code (negative: a signal), its error text, what it put on fd 2."""

    code: int
    text: bytes
    stderr: bytes


class QueueProgram:
    """A started queue program (a name in bin/, or a path), its pipes in the hands of the test."""

    def __init__(
        self,
        program: str,
        tmp_path: Path,
        *,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        error_pipe: int | None = 4,
        prefix: tuple[str, ...] = (),
        closed: tuple[int, ...] = (),
    ) -> None:
        self._stderr = tmp_path / "stderr"
        argv = ["/usr/bin/env", "-C", os.fspath(cwd or tmp_path), *prefix, os.fspath(BIN / program)]
        message, self._message = os.pipe()
        envelope, self._envelope = os.pipe()
        self._text, text = os.pipe()
        actions: list[tuple[object, ...]] = [
            (os.POSIX_SPAWN_DUP2, message, 0),
            (os.POSIX_SPAWN_DUP2, envelope, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.fspath(self._stderr), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        ]
        if error_pipe is not None:
            actions.append((os.POSIX_SPAWN_DUP2, text, error_pipe))
        actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in closed]
        base = {"PATH": "/usr/bin:/bin"}
        self.pid = os.posix_spawn(argv[0], argv, {**base, **(env or {})}, file_actions=actions)
        for fd in (message, envelope, text):
            os.close(fd)
        self._open = {self._message, self._envelope}

    def __enter__(self) -> QueueProgram:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in (*self._open, self._text):
            os.close(fd)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def message(self, data: bytes, end: bool = True) -> None:
        """Send some of the message."""
        self._send(self._message, data, end)

    def envelope(self, data: bytes, end: bool = True) -> None:
        """Send some of the envelope."""
        self._send(self._envelope, data, end)

    def _send(self, fd: int, data: bytes, end: bool) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(fd, view) :]
        except BrokenPipeError:
            pass  # it has ended: its exit code says why
        if end:
            self._open.discard(fd)
            os.close(fd)

    def wait(self) -> Outcome:
        """The end of the program. Reads the error pipe to its end, as the receiver does."""
        blocks = []
        while block := os.read(self._text, 65536):
            blocks.append(block)
        pid, self.pid = self.pid, 0
        status = os.waitpid(pid, 0)[1]
        return Outcome(os.waitstatus_to_exitcode(status), b"".join(blocks), self._stderr.read_bytes())


def envelope_of(sender: bytes, *recipients: bytes) -> bytes:
    """An envelope as fd 1 gets it."""
    return b"F" + sender + b"\0" + b"".join(b"T" + address + b"\0" for address in recipients) + b"\0"
