"""The receiver under tcpserver on a port of the loopback interface, for tests whose clients are programs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .home import TCP_ENVIRONMENT, Home
from .processes import BIN, accepts, free_port, program, running


class Server:
    """A running tcpserver: its port, its log and that of its children, and their exit statuses."""

    def __init__(self, port: int, log: Path, pid: int) -> None:
        self.port = port
        self.pid = pid
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def ended(self) -> dict[int, int]:
        """The exit statuses of the sessions that are over, by pid; 128 and the number for those ended by a signal."""
        found = re.findall(r"^tcpserver: end (\d+) status (\d+)$", self.log, re.MULTILINE)
        return {int(pid): int(status) >> 8 or int(status) and 128 + int(status) for pid, status in found}

    def processes(self) -> set[int]:
        """Its own process and all its descendants that are still there."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == self.pid:  # it leads a session of its own, which all of them inherit
                found.add(int(folder.name))
        return found


@contextmanager
def tcpserver(home: Home, **env: str) -> Iterator[Server]:
    """Run it, with room for 400 sessions and without look-ups of host names."""
    port = free_port()
    log = home.path / f"log.{port}"
    argv = [program("tcpserver"), "-vHR", "-l", "mx.example.org", "-c", "400", "-b", "400", "127.0.0.1", str(port)]
    clean = {name: value for name, value in home.env(**env).items() if name not in TCP_ENVIRONMENT}
    with running([*argv, os.fspath(BIN / "qmail-smtpd")], env=clean, log=log, ready=lambda: accepts(port)) as process:
        yield Server(port, log, process.pid)
