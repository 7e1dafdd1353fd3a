"""Start the programs that a test needs, wait for conditions (never for a fixed time), stop them by their pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("MEASURED") or ROOT) / "bin"  # make coverage has programs that measure themselves
DEADLINE = 30.0


def program(name: str) -> str:
    """The path of a program of the system; a missing one fails the test, it never skips it."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:/usr/lib/postfix/sbin")
    assert path, f"{name} is not installed: run `make deps-test`"
    return path


def free_port(kind: int = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """A port of the loopback interface that was free a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """Poll `condition` until it is true; fail with `what` when it stays false."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"still not so after {deadline} s: {what}"
        time.sleep(0.01)


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens on a TCP port."""
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def _hear_interrupts() -> None:
    """Reset SIGINT: a shell that runs tests in the background ignores it, and started programs would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(
    argv: list[str],
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    ready: Callable[[], object] | None = None,
    stdin: int | None = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program for the length of a `with`: started, awaited until `ready()`, stopped with its children."""
    with open(log or os.devnull, "ab") as output:
        process = subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_hear_interrupts,
        )
        try:
            if ready:
                wait_until(lambda: _goes_on(process, log) and ready(), f"{argv[0]} is up")
            yield process
        finally:
            stop(process)


def _goes_on(process: subprocess.Popen[bytes], log: Path | None) -> bool:
    """True; fails with what the program has logged if it has ended."""
    code = process.poll()
    said = log.read_text(errors="replace") if log else ""
    assert code is None, f"{process.args!r} ended at once with {code}: {said}"
    return True


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started and the session it leads."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(5)
            if number == signal.SIGKILL:
                return
        except subprocess.TimeoutExpired:
            continue
