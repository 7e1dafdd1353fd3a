"""Start a program as a super-server with socket activation does, and connect to it.

    with Resident(home, "stdin") as resident:
        with resident.connect() as client:
            client.ask(None, 220)

`how` the listening sockets get there:
    stdin     the first one is fd 0 (systemd's StandardInput=socket, inetd with its log elsewhere)
    inetd     it is fd 0, 1 and 2
    fds       all are fd 3 and up, told by LISTEN_FDS and LISTEN_PID
    both      the first one is fd 0 and fd 3 (systemd with StandardInput=socket tells LISTEN_FDS too)
    accepted  for a connection: fd 0, 1 and 3 (systemd with Accept=yes)
As a program, `activation.py HOW FD,FD PROGRAM ARGUMENTS`, this is the launcher itself.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType


def launch(how: str, fds: list[int], argv: list[str]) -> None:
    """Put the descriptors where the program expects them, and become it."""
    spare = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]  # out of the way of what follows
    for fd in fds:
        os.close(fd)
    if how in ("fds", "both", "accepted"):
        for number, fd in enumerate(spare):
            os.dup2(fd, 3 + number)
        os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="smtp")
    if how == "two":  # the first on fd 0, the others told
        for number, fd in enumerate(spare[1:]):
            os.dup2(fd, 3 + number)
        os.environ.update(LISTEN_FDS=str(len(fds) - 1), LISTEN_PID=str(os.getpid()))
    for number in {"fds": (), "inetd": (0, 1, 2), "accepted": (0, 1)}.get(how, (0,)):
        os.dup2(spare[0], number)
    os.execve(argv[0], argv, os.environ)


if __name__ == "__main__":
    launch(sys.argv[1], [int(fd) for fd in sys.argv[2].split(",")], sys.argv[3:])

from .home import Home  # noqa: E402 - the launcher is not part of a package
from .processes import BIN, DEADLINE, wait_until  # noqa: E402
from .smtp import Client, connect  # noqa: E402

TCP_VARIABLES = ("PROTO", "TCPREMOTEIP", "TCPREMOTEHOST", "TCPREMOTEPORT", "TCPLOCALIP", "TCPLOCALHOST", "TCPLOCALPORT")


def listening(address: str = "127.0.0.1", queue: int = 128) -> socket.socket:
    """A listening socket of the loopback interface."""
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 0))
    listener.listen(queue)
    return listener


class Resident:
    """A resident qmail-smtpd (or `argv`) on sockets of its own; all its processes are killed at the end of the
    `with`."""

    def __init__(
        self,
        home: Home,
        how: str = "stdin",
        addresses: Sequence[str] = ("127.0.0.1",),
        argv: Sequence[str] = (str(BIN / "qmail-smtpd"),),
        user: int | None = None,
        cwd: Path | None = None,
        **env: str,
    ) -> None:
        self.home = home
        self.log_path = home.path / "resident.log"
        sockets = [listening(address) for address in addresses]
        self.ports = {address: each.getsockname()[1] for address, each in zip(addresses, sockets, strict=True)}
        self.port = self.ports[addresses[0]]
        fds = ",".join(str(each.fileno()) for each in sockets)
        full = {name: value for name, value in home.env(**env).items() if name in env or name not in TCP_VARIABLES}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-IS", __file__, how, fds, *argv],
                pass_fds=[each.fileno() for each in sockets],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=full,
                cwd=cwd,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )
        for each in sockets:
            each.close()
        self.pid = self.process.pid

    def __enter__(self) -> Resident:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(f"log:\n{self.log}", file=sys.stderr)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, text: str, times: int = 1) -> None:
        wait_until(lambda: self.log.count(text) >= times, f"{text!r} x {times} in the log")

    def connect(self, source: str = "127.0.0.1", to: str = "127.0.0.1") -> Client:
        """A connection from `source`; the kernel accepts it even before the program does."""
        return connect((to, self.ports.get(to, self.port)), source)

    def sessions(self) -> list[int]:
        """The pids of the children that serve a client: fd 0 of an idle worker is not a client's socket."""
        return [pid for pid, state in self.children() if state != "Z" and _serves(pid, self.pid)]

    def workers(self) -> list[int]:
        """The pids of the children that are no zombies."""
        return [pid for pid, state in self.children() if state != "Z"]

    def children(self) -> list[tuple[int, str]]:
        """(pid, state) of all children, zombies too."""
        try:
            listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        except OSError:
            return []
        found = []
        for pid in listed:
            try:
                found.append((int(pid), Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]))
            except OSError:
                pass  # gone meanwhile
        return found

    def wait_for_no_sessions(self) -> None:
        self.wait_for_sessions(0)

    def wait_for_sessions(self, number: int) -> None:
        """Until there are so many, and what has ended is reaped."""
        wait_until(lambda: len(self.sessions()) == number and not self._zombies(), f"{number} sessions and no zombie")

    def _zombies(self) -> list[int]:
        return [pid for pid, state in self.children() if state == "Z"]

    def hang_up(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(DEADLINE)


def _serves(pid: int, parent: int) -> bool:
    try:
        ours, its = (os.readlink(f"/proc/{number}/fd/0") for number in (parent, pid))
    except OSError:
        return True  # it is about to end
    return its.startswith("socket:") and its != ours


@contextmanager
def accepted(home: Home, argv: Sequence[str], **env: str) -> Iterator[tuple[Client, subprocess.Popen[bytes]]]:
    """A program as systemd with Accept=yes starts it for one connection, and its client. Its log is a pipe."""
    full = {name: value for name, value in home.env(**env).items() if name not in TCP_VARIABLES}
    with listening() as listener, connect(listener.getsockname()) as client:
        served, _ = listener.accept()
        with served:
            launcher = [sys.executable, "-IS", __file__, "accepted", str(served.fileno()), *argv]
            process = subprocess.Popen(launcher, pass_fds=[served.fileno()], env=full, stderr=subprocess.PIPE)
        with process:
            yield client, process
