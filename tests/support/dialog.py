"""A dialogue with the real program, line by line. At its end all processes that the program started have ended.

with Dialog(home, LOGLEVEL="4") as smtp:
    smtp.ask(None, 220)
    smtp.ask("NOOP", 250)
    smtp.leave()
smtp.replies, smtp.exit, smtp.log
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from .home import Home
from .processes import BIN, DEADLINE
from .smtp import Client


class Dialog(Client):
    """`log` is what the program has written on fd 2; it and `exit` are set at the end."""

    def __init__(self, home: Home, program: Path = BIN / "qmail-smtpd", uid: int | None = None, **env: str) -> None:
        self.home = home
        self.exit: int | None = None
        self.log = ""
        ours, theirs = socket.socketpair()
        super().__init__(ours)
        with theirs:
            self.process = subprocess.Popen(
                [os.fspath(program)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                env=home.env(**env),
                start_new_session=True,
                user=uid,
                group=uid,
                extra_groups=None if uid is None else [],
            )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self.kill()
        self.end()

    def kill(self) -> None:
        """Send SIGKILL to the program, but not to the processes that it started."""
        os.kill(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Stop sending, read the rest, and wait for the program and all processes that it started."""
        if self.exit is not None:
            return
        if self.socket.fileno() >= 0:
            try:
                self.half_close()
            except OSError:
                pass
            while self.hear():
                pass
            self.leave()
        assert self.process.stderr
        with self.process.stderr as stream:  # it ends when the last process that has it ends
            self.log = stream.read().decode("latin1")
        self.exit = self.process.wait(DEADLINE)
        assert "Traceback" not in self.log, self.log


def transcript(dialog: str) -> tuple[str, list[int]]:
    """The client's text and the expected codes, from lines `C: line` and `S: code`."""
    lines = [line.strip() for line in dialog.strip().splitlines()]
    said = "".join(line[3:] + "\r\n" for line in lines if line.startswith("C:"))
    return said, [int(line[3:6]) for line in lines if line.startswith("S:")]
