"""A site with POP before SMTP, and a server that says what a test wants."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from ..support.home import Home
from ..support.processes import free_port, running

CLIENT = "127.0.0.1"  # who tcpserver sees
CLIENT_BYTES = bytes([127, 0, 0, 1])
YES = b"R\x04" + CLIENT_BYTES + b"R\x00"
NO = b"R\x04" + CLIENT_BYTES + b"N"


class Site:
    """A qmail home set up for POP before SMTP."""

    def __init__(self, folder: Path, *servers: str, **control: str) -> None:
        self.port = free_port(socket.SOCK_DGRAM)
        files = {
            "pbsservers": servers or ("127.0.0.1",),
            "pbsport": (str(self.port),),
            "pbssecret": ("sesame",),
        }
        self.home = Home(folder, {name: "\n".join(lines) + "\n" for name, lines in files.items()})
        for name, text in control.items():
            self.home.control(name, text)
        self.home.link("pbscheck", "pbsadd", "pbsdbd")
        self.log = folder / "pbsdbd.log"

    def env(self, **more: str | None) -> dict[str, str]:
        env = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(self.home.path), "TCPREMOTEIP": CLIENT, **more}
        return {name: value for name, value in env.items() if value is not None}

    def run(self, name: str, *argv: str, **env: str | None) -> subprocess.CompletedProcess[bytes]:
        path = str(self.home.path / "bin" / name)
        return subprocess.run([path, *argv], env=self.env(**env), capture_output=True, timeout=60, check=False)

    def check(self, **env: str | None) -> dict[str, str]:
        """The environment of the program after pbscheck."""
        done = self.run("pbscheck", "env", "-0", **env)
        assert done.returncode == 0, done
        return dict(item.split("=", 1) for item in os.fsdecode(done.stdout).split("\0") if item)

    def may_relay(self, **env: str | None) -> bool:
        return "RELAYCLIENT" in self.check(**env)

    def without_secret(self) -> Site:
        """pbscheck believes what comes, as that of qmail-ldap does."""
        (self.home.path / "control/pbssecret").unlink()
        return self

    @contextmanager
    def server(self) -> Iterator[None]:
        """pbsdbd with these controls."""
        argv = [str(self.home.path / "bin/pbsdbd")]
        with running(argv, env=self.env(), log=self.log, ready=lambda: "listening" in self.log.read_text()):
            yield


class FakeServer:
    """Answers each packet on ADDRESS:PORT with `answers`, and keeps what it was asked."""

    def __init__(self, port: int, *answers: bytes, address: str = "127.0.0.1", first: bytes = b"") -> None:
        self.wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.wire.bind((address, port))
        self.answers = answers
        self.first = first  # sent from another port, before the answers
        self.asked: list[bytes] = []
        self.thread = Thread(target=self._serve)

    def _serve(self) -> None:
        while (received := self.wire.recvfrom(2000))[0]:
            self.asked.append(received[0])
            if self.first:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    other.sendto(self.first, received[1])
            for answer in self.answers:
                self.wire.sendto(answer, received[1])

    def __enter__(self) -> FakeServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.wire.getsockname())
        self.thread.join()
        self.wire.close()
