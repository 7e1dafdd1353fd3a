"""The two programs under test, on pipes."""

from __future__ import annotations

import base64
import os
import select
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from ..support.home import Home
from ..support.processes import BIN, DEADLINE

T = TypeVar("T")
QUIET = {"LOGLEVEL": "255"}


def answers(output: bytes) -> list[bytes]:
    """What qmail-verify has said, an answer each: K, or D or Z with its text."""
    found = []
    while output:
        if output.startswith(b"K"):
            found.append(b"K")
            output = output[1:]
        else:
            text, end, output = output.partition(b"\0")
            assert text[:1] in (b"D", b"Z") and end, text
            found.append(text)
    return found


class Verifier:
    """qmail-verify, kept running. Its log is in `log` once it has ended."""

    def __init__(self, home: Home, **env: str) -> None:
        self._log = home.path / "verify.log"
        self._pending = b""
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [os.fspath(BIN / "qmail-verify")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=home.env(**{**QUIET, **env}),
                cwd="/",
                bufsize=0,
            )

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.close()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)

    def read(self) -> bytes:
        """One answer, waited for; b"" at the end."""
        assert self.process.stdout
        while not self._pending.startswith(b"K") and b"\0" not in self._pending:
            ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
            assert ready, "no answer"
            block = os.read(self.process.stdout.fileno(), 4096)
            if not block:
                return b""
            self._pending += block
        if self._pending.startswith(b"K"):
            self._pending = self._pending[1:]
            return b"K"
        answer, _, self._pending = self._pending.partition(b"\0")
        return answer

    def ask(self, address: str | bytes) -> bytes:
        self.send((address.encode("latin1") if isinstance(address, str) else address) + b"\0")
        return self.read()

    def close(self) -> int:
        """End of fd 0; returns the exit code."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        code = self.process.wait(DEADLINE)
        self.process.stdout.close()
        return code


def verify(home: Home, *addresses: str | bytes, **env: str) -> list[bytes]:
    """All addresses in one write, the answers of one process that must end well."""
    data = b"".join((a.encode("latin1") if isinstance(a, str) else a) + b"\0" for a in addresses)
    done = run("qmail-verify", home, data, **env)
    assert done.returncode == 0, done.stderr
    return answers(done.stdout)


def run(name: str, home: Home, data: bytes, **env: str) -> subprocess.CompletedProcess[bytes]:
    """One run of a program with all its input; its log is standard error and also kept in the home."""
    done = subprocess.run(
        [os.fspath(BIN / name)],
        input=data,
        capture_output=True,
        env=home.env(**{**QUIET, **env}),
        cwd="/",
        timeout=60,
        check=False,
    )
    with open(home.path / f"{name}.log", "ab") as log:
        log.write(done.stderr)
    return done


def together(function: Callable[..., T], *arguments: Iterable[object], limit: int = 4) -> list[T]:
    """The results of a function for each set of arguments, `limit` asked for at the same time."""
    with ThreadPoolExecutor(limit) as pool:
        return list(pool.map(function, *arguments))


def b64(text: str | bytes) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def login(home: Home, user: str | bytes, password: str | bytes, **env: str) -> bytes:
    """What auth_smtp says to AUTH LOGIN."""
    return auth(home, b"login\0%b\0%b\0" % (b64(user), b64(password)), **env)


def plain(home: Home, response: str | bytes, **env: str) -> bytes:
    """What auth_smtp says to AUTH PLAIN."""
    return auth(home, b"plain\0%b\0" % b64(response), **env)


def auth(home: Home, request: bytes, **env: str) -> bytes:
    """What auth_smtp says to a request; `exit N` for a temporary failure."""
    done = run("auth_smtp", home, request, **env)
    if done.returncode:
        assert not done.stdout
        return b"exit %d" % done.returncode
    return done.stdout
