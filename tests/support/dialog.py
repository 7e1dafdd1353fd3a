"""A dialogue with the real program, line by line. At its end all processes that the program started have ended.

with Dialog(home, LOGLEVEL="4") as smtp:
    smtp.ask(None, 220)
    smtp.ask("NOOP", 250)
    smtp.leave()
smtp.replies, smtp.exit, smtp.log
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType

from .home import Home
from .processes import BIN

TIMEOUT = 20.0  # seconds


class Dialog:
    """`replies` are those received so far, each with its lines joined by LF; `log` is set at the end."""

    def __init__(self, home: Home, program: Path = BIN / "qmail-smtpd", uid: int | None = None, **env: str) -> None:
        self.home = home
        self.replies: list[str] = []
        self.exit: int | None = None
        self.log = ""
        self._heard = b""
        ours, theirs = socket.socketpair()
        ours.settimeout(TIMEOUT)
        self._socket = ours
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

    def __enter__(self) -> Dialog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self.kill()
        self.end()

    @property
    def codes(self) -> list[int]:
        return [int(reply[:3]) for reply in self.replies]

    def say(self, text: str | bytes) -> None:
        """Send text as it is, without adding a line end. Ignores a connection that is closed already."""
        try:
            self._socket.sendall(text.encode("latin1") if isinstance(text, str) else text)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def hear(self) -> str:
        """The next reply; an empty one at the end of the connection."""
        while not (found := re.match(rb"(?:\d\d\d-[^\n]*\n)*\d\d\d [^\n]*\n", self._heard)):
            block = self._receive()
            if not block:
                assert not self._heard, self._heard
                return ""
            self._heard += block
        self._heard = self._heard[found.end() :]
        assert found.group().count(b"\n") == found.group().count(b"\r\n"), found.group()
        self.replies.append(found.group().decode("latin1").replace("\r\n", "\n").rstrip("\n"))
        return self.replies[-1]

    def ask(self, command: str | None, code: int) -> str:
        """Send a line, unless it is None, and check the code of the reply."""
        if command is not None:
            self.say(command + "\r\n")
        reply = self.hear()
        assert reply[:3] == str(code), f"{command}: {reply}"
        return reply

    def leave(self) -> None:
        """Close the connection at once, even with unread replies."""
        self._socket.close()

    def half_close(self) -> None:
        """Close the sending direction only."""
        self._socket.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """Send SIGKILL to the program, but not to the processes that it started."""
        os.kill(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Stop sending, read the rest, and wait for the program and all processes that it started."""
        if self.exit is not None:
            return
        if self._socket.fileno() >= 0:
            try:
                self.half_close()
            except OSError:
                pass
            while self.hear():
                pass
            self._socket.close()
        assert self.process.stderr
        with self.process.stderr as stream:  # it ends when the last process that has it ends
            self.log = stream.read().decode("latin1")
        self.exit = self.process.wait(TIMEOUT)
        assert "Traceback" not in self.log, self.log

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except ConnectionResetError:
            return b""


def transcript(dialog: str) -> tuple[str, list[int]]:
    """The client's text and the expected codes, from lines `C: line` and `S: code`."""
    lines = [line.strip() for line in dialog.strip().splitlines()]
    said = "".join(line[3:] + "\r\n" for line in lines if line.startswith("C:"))
    return said, [int(line[3:6]) for line in lines if line.startswith("S:")]
