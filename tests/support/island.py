"""A separate network namespace with only a loopback interface, and separate files in /etc, /run and /var/lib.

    with island(folder, zones, etc) as place:
        place.start(["clamd", ...], ready=place.socket("/run/clamav/clamd.ctl"))
        place.smtp(home, text, **env)

Programs run there as in their manuals, at their usual ports and paths, and nothing of this machine is changed. nsd at
127.0.0.1 answers for the given zones and refuses all others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .dns import NSD, ZONE_HEAD
from .home import Home
from .processes import BIN, program, running, wait_until

# What stands in for a folder of the machine.
SETUP = """
set -e
ip link set lo up
mount --make-rprivate /
mount --bind "$1/etc" /etc
mount --bind "$1/run" /run
mount --bind "$1/lib" /var/lib
touch /run/island
exec sleep infinity
"""
LISTENS = "0A"  # the state in /proc/net/tcp


class Island:
    def __init__(self, folder: Path, pid: int, stack: ExitStack) -> None:
        self.folder = folder
        self._pid = pid
        self._stack = stack

    def inside(self, argv: list[str]) -> list[str]:
        return [program("nsenter"), "-t", str(self._pid), "-n", "-m", "--", *argv]

    def start(self, argv: list[str], ready: Callable[[], object]) -> None:
        """Start a server, which runs until the end of the `with`."""
        log = self.folder / f"{Path(argv[0]).name}.log"
        self._stack.enter_context(running(self.inside([program(argv[0]), *argv[1:]]), log=log, ready=ready))

    def run(self, argv: list[str]) -> None:
        subprocess.run(self.inside(argv), check=True, capture_output=True, timeout=60)

    def port(self, number: int) -> Callable[[], bool]:
        """Whether somebody listens there."""

        def listens() -> bool:
            text = Path(f"/proc/{self._pid}/net/tcp").read_text()
            lines = [line.split() for line in text.splitlines()[1:]]
            return any(int(line[1].rpartition(":")[2], 16) == number and line[3] == LISTENS for line in lines)

        return listens

    def socket(self, path: str) -> Callable[[], bool]:
        """Whether there is such a socket."""
        return lambda: (self.folder / path.lstrip("/")).is_socket()

    def smtp(self, home: Home, text: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        """As Home.smtp, inside."""
        argv = self.inside([os.fspath(BIN / "qmail-smtpd")])
        return subprocess.run(argv, input=text.encode(), capture_output=True, env=home.env(**env), timeout=120)


@contextmanager
def island(folder: Path, zones: dict[str, str], etc: dict[str, str]) -> Iterator[Island]:
    """`etc` are files that are written into the copy of /etc: name below it -> text."""
    _furnish(folder, zones, etc)
    holder = [program("unshare"), "-n", "-m", program("sh"), "-c", SETUP, "island", str(folder)]
    log = folder / "island.log"
    with ExitStack() as stack:
        process = stack.enter_context(running(holder, log=log, ready=(folder / "run/island").exists))
        place = Island(folder, process.pid, stack)
        if zones:
            place.start(["nsd", "-d", "-c", str(folder / "nsd.conf")], ready=lambda: True)
            wait_until(lambda: "nsd started" in (folder / "nsd.log").read_text(), "nsd has started")
        yield place


def _furnish(folder: Path, zones: dict[str, str], etc: dict[str, str]) -> None:
    folder.chmod(0o755)
    shutil.copytree("/etc", folder / "etc", symlinks=True)
    for name in ("run", "lib"):
        (folder / name).mkdir(mode=0o777)
        (folder / name).chmod(0o777)
    resolver = folder / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    for name, text in etc.items():
        path = folder / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    config = NSD.format(port=53, folder=folder)
    for zone, records in zones.items():
        config += f'zone:\n  name: "{zone}"\n  zonefile: "{zone}.zone"\n'
        (folder / f"{zone}.zone").write_text(ZONE_HEAD + records)
    (folder / "nsd.conf").write_text(config)
