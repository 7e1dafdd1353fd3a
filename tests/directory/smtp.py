"""An SMTP session with bin/qmail-smtpd in which the test may act between the replies."""

from __future__ import annotations

import os
import select
import subprocess
from types import TracebackType

from ..support.home import Home
from ..support.processes import BIN, DEADLINE


class Smtp:
    """Greeted when made. The log is in `log` once the session has ended."""

    def __init__(self, home: Home, **env: str) -> None:
        self._log = home.path / "smtpd.log"
        self._pending = b""
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [os.fspath(BIN / "qmail-smtpd")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=home.env(**env),
                bufsize=0,
            )
        assert self.reply() == 220

    def __enter__(self) -> Smtp:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def reply(self) -> int:
        """The code of the next reply, waited for."""
        assert self.process.stdout
        while True:
            line, end, rest = self._pending.partition(b"\r\n")
            if end:
                self._pending = rest
                if line[3:4] == b" ":
                    return int(line[:3])
                continue
            ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
            assert ready, "no reply"
            block = os.read(self.process.stdout.fileno(), 4096)
            assert block, "the session has ended"
            self._pending += block

    def say(self, line: str) -> int:
        """Send a line and return the code of the reply."""
        assert self.process.stdin
        self.process.stdin.write(line.encode("latin1") + b"\r\n")
        return self.reply()
