"""The folder that a run works in: queue programs, qmail homes, and what clients say as files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.home import TCP_ENVIRONMENT
from tests.support.processes import BIN, program

HERE = Path(__file__).resolve().parent
INTERPRETER = (BIN / "qmail-smtpd").read_text().split()[0].removeprefix("#!")
BARE = [INTERPRETER, "-I", "-S", "-c", "pass"]
OURS = str(BIN / "qmail-smtpd")
CONTROL = {"me": "mx.example.org", "rcpthosts": "example.org", "locals": "local.example.org"}
CLIENT = TCP_ENVIRONMENT
LINE = b"All of them were in good health, and nobody asked for the price of the tea."


class Place:
    """`path` is open to everybody: some servers become another user."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("null_queue", "peak_queue", "known"):
            command = [program("gcc"), "-O2", "-o", str(path / name), str(HERE / f"{name}.c")]
            subprocess.run(command, check=True)
        self.null_queue = str(path / "null_queue")
        self.home()

    def home(self, name: str = "home", control: dict[str, str] | None = None, **programs: str) -> Path:
        """A qmail home with the null queue program; `control` adds to CONTROL, `programs` are links in its bin/."""
        home = self.path / "homes" / name
        for folder in ("control", "bin", "users"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        for file, text in {**CONTROL, **(control or {})}.items():
            (home / "control" / file).write_text(text + "\n")
        for link, target in {"qmail-queue": self.null_queue, **programs}.items():
            (home / "bin" / link.replace("_", "-")).symlink_to(target)
        return home

    def env(self, home: str = "home", **more: str) -> dict[str, str]:
        """The environment for a server; `**CLIENT` in `more` makes it that of a session."""
        return {
            "PATH": "/usr/sbin:/usr/bin:/bin",
            "QMAILHOME": str(self.path / "homes" / home),
            "LOGLEVEL": "2",
            **more,
        }

    def file(self, name: str, data: bytes) -> str:
        """The path of a new file."""
        path = self.path / "files" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return str(path)


@contextmanager
def made() -> Iterator[Place]:
    """A Place that is removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="qmail-smtpd-bench."))
    path.chmod(0o755)
    try:
        yield Place(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def body(size: int) -> bytes:
    """A message as a client sends it, about `size` bytes, without the dot at its end: lines of 75 bytes, one in a
    hundred begins with a stuffed dot."""
    header = b"Subject: bench\r\nFrom: <sender@example.net>\r\n\r\n"
    hundred = (LINE + b"\r\n") * 99 + b".." + LINE[2:] + b"\r\n"
    whole, rest = divmod(max(size - len(header), 0), len(hundred))
    return header + hundred * whole + (LINE + b"\r\n") * (rest // (len(LINE) + 2))


def talk(message: bytes, recipients: list[str] | None = None) -> bytes:
    """A session as one piece: EHLO, MAIL, RCPT, DATA, QUIT."""
    names = recipients or ["someone@example.org"]
    rcpt = "".join(f"RCPT TO:<{name}>\r\n" for name in names).encode()
    begin = b"EHLO client.example.net\r\nMAIL FROM:<sender@example.net>\r\n" + rcpt + b"DATA\r\n"
    return begin + message + b".\r\nQUIT\r\n"


def peer(name: str) -> list[str]:
    """The program of a peer, empty where it is not installed: not every release of Debian has all of them."""
    found = shutil.which(name, path=f"/usr/sbin:/usr/bin:{os.environ.get('PATH', '')}")
    return [found] if found else []


def smtpfront() -> list[str]:
    """Debian's script that starts mailfront; empty without it."""
    return peer("smtpfront-qmail")


def mailfront() -> list[str]:
    """What that script runs in the end."""
    for script in map(Path, smtpfront()):
        words = script.read_text().splitlines()[-1].partition("/mailfront ")[2].split()
        return [str(script.with_name("mailfront")), *(word for word in words if word != '"$@"')]
    return []
