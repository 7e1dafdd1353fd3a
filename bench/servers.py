"""Servers on loopback ports, each in a process group of its own: ours in both modes, and the peers.

Each is a context manager that gives a Server, and ends it with all that is left of its group; for a peer that is not
installed it gives None.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from measure import Cost, reap, spawn
from place import HERE, OURS, Place, peer

from tests.support.processes import accepts, free_port, program, wait_until

BACKLOG = 128
AT_MOST = 100  # sessions at a time
TICK = os.sysconf("SC_CLK_TCK")

POSTFIX_SETTINGS = """mydestination =
relay_domains = example.org
default_transport = discard
relay_transport = discard
message_size_limit = 0
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
"""
POSTFIX_SERVICES = """{port} inet n - n - 100 smtpd
discard unix - - n - - discard
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
"""
OPENSMTPD_SETTINGS = """listen on 127.0.0.1 port {port}
action "keep" relay host smtp://127.0.0.1:9
match from any for any action "keep"
"""


class Server:
    """A server that is up. Its CPU time is what the kernel has accounted to it and to its ended children, in ticks
    of usually 10 ms: measure over many of them."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        self.standing = {pid}
        self._orphans = 0.0  # seconds

    def during(self, work: Callable[[], float], count: int = 1) -> Cost:
        """What `count` sessions cost the server: `work` makes them and returns how long it took. For one of them."""
        before = self._cpu()
        wall = work()
        wait_until(self._is_idle, "all sessions have ended")
        return Cost(self._cpu() - before, wall).over(count)

    def _cpu(self) -> float:
        """Of all that are there, each with its ended children."""
        ticks = sum(sum(_times(pid)) for pid in self._members())
        return ticks / TICK + self._orphans

    def _is_idle(self) -> bool:
        """Whether nobody is served; helpers that outlived their session are waited for on the way."""
        while True:
            try:
                pid, _, usage = os.wait4(-self.pid, os.WNOHANG)
            except ChildProcessError:
                sys.exit("a server has ended")
            if pid == 0:
                break
            if pid == self.pid:
                sys.exit("a server has ended")
            self._orphans += usage.ru_utime + usage.ru_stime
        return not [pid for pid in self._members() if pid not in self.standing and not _waits(pid)]

    def settle(self) -> None:
        """Whatever runs now belongs to the server and not to a session."""
        self.standing = set(self._members())

    def _members(self) -> list[int]:
        """The processes of its group."""
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    if os.getpgid(int(entry.name)) == self.pid:
                        found.append(int(entry.name))
                except ProcessLookupError:
                    pass
        return found


def _times(pid: int) -> list[int]:
    """Ticks of a process (user, system) and of its ended children (user, system); none if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return [int(word) for word in text.rpartition(")")[2].split()[11:15]]


def _waits(pid: int) -> bool:
    """Whether a process is a worker without a client, the helper that one keeps, or one that has ended and that it will
    reap after its next session."""
    own = _input(pid)
    return own == os.devnull or ((not own or own.startswith("pipe:")) and _input(_parent(pid)) == os.devnull)


def _input(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/0")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@contextmanager
def started(argv: list[str], env: dict[str, str], port: int, fd_in: int | None = None) -> Iterator[Server]:
    """A program that listens on `port`, or on the socket `fd_in`."""
    null = os.open(os.devnull, os.O_RDWR)
    pid = spawn(argv, env, [null if fd_in is None else fd_in, null, null])
    os.close(null)
    server = Server(pid, port)
    try:
        wait_until(lambda: accepts(port), f"{argv[0]} is up")
        time.sleep(0.2)
        wait_until(server._is_idle, f"{argv[0]} is idle")
        yield server
    finally:
        os.killpg(pid, signal.SIGTERM)
        reap(pid)


def tcpserver(argv: list[str], env: dict[str, str]) -> AbstractContextManager[Server]:
    """A process for each connection; -D: what a server has flushed goes out at once (TCP_NODELAY)."""
    port = free_port()
    options = ["-H", "-R", "-D", "-l", "localhost", "-c", str(AT_MOST), "-b", str(BACKLOG)]
    return started([program("tcpserver"), *options, "127.0.0.1", str(port), *argv], env, port)


def mailfront(argv: list[str], env: dict[str, str]) -> AbstractContextManager[Server | None]:
    """The peer under tcpserver, with its script or without."""
    return tcpserver(argv, env) if argv else nullcontext()


@contextmanager
def resident(env: dict[str, str], *variant: str) -> Iterator[Server]:
    """Our program, or a variant of it with its arguments, with a listening socket on fd 0."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        port = listener.getsockname()[1]
        with started(list(variant) or [OURS], env, port, listener.fileno()) as server:
            listener.close()
            yield server


def aiosmtpd(queue: str, env: dict[str, str]) -> AbstractContextManager[Server | None]:
    """One process with an event loop (aiosmtpd_server.py)."""
    if importlib.util.find_spec("aiosmtpd") is None:
        return nullcontext()
    port = free_port()
    return started([sys.executable, str(HERE / "aiosmtpd_server.py"), str(port), queue], env, port)


def qpsmtpd(place: Place, env: dict[str, str]) -> AbstractContextManager[Server | None]:
    """qpsmtpd-forkserver with the plugins it takes to accept a recipient and start the queue program."""
    if not (forkserver := peer("qpsmtpd-forkserver")):
        return nullcontext()
    user = "nobody" if os.getuid() == 0 else getpass.getuser()
    port = free_port()
    argv = [*forkserver, "-l", "127.0.0.1", "-p", str(port), "-u", user, "-c", str(AT_MOST), "-m", str(AT_MOST)]
    return started(argv, {**env, "QPSMTPD_CONFIG": str(_qpsmtpd_folder(place))}, port)


def _qpsmtpd_folder(place: Place) -> Path:
    folder = place.path / "qpsmtpd"
    (folder / "spool").mkdir(parents=True, mode=0o700)
    if os.getuid() == 0:
        os.chown(folder / "spool", 65534, 65534)
    files = {
        "me": "mx.example.org",
        "rcpthosts": "example.org",
        "plugins": f"rcpt_ok\nqueue/qmail-queue {place.null_queue}",
        "plugin_dirs": "/usr/share/qpsmtpd/plugins",
        "spool_dir": str(folder / "spool"),
    }
    for name, text in files.items():
        (folder / name).write_text(text + "\n")
    return folder


@contextmanager
def postfix(folder: Path, settings: str = "") -> Iterator[int]:
    """The port of Postfix's smtpd; what it takes goes through its queue and is thrown away. `settings`: for main.cf.
    Its processes come and go as they like, so there is no figure for its CPU time."""
    from tests.support import postfix as support

    port = free_port()
    with support.postfix(folder, POSTFIX_SETTINGS + settings, POSTFIX_SERVICES.format(port=port)):
        wait_until(lambda: accepts(port), "smtpd is up")
        yield port


@contextmanager
def opensmtpd(folder: Path) -> Iterator[int | None]:
    """The port of OpenSMTPD, which keeps what it takes in a queue in memory: its next hop does not answer. None where
    it is not unpacked, or not root who starts it. Many processes: there is no figure for its CPU time."""
    from tests.support import opensmtpd as support

    if os.getuid() or not (support.UNPACKED / "sbin" / "smtpd").exists():
        yield None
        return
    port = free_port()
    with support.opensmtpd(folder, OPENSMTPD_SETTINGS.format(port=port)):
        wait_until(lambda: accepts(port), "OpenSMTPD is up")
        yield port
