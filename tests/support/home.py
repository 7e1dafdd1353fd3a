"""A qmail home for a test: control files, helper programs, and a queue program that records what it gets."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .processes import BIN

DEFAULT_CONTROL = {"me": "mx.example.org\n", "rcpthosts": "example.org\n", "locals": "local.example.org\n"}
TCP_ENVIRONMENT = {
    "PROTO": "TCP",
    "TCPREMOTEIP": "192.0.2.10",
    "TCPREMOTEHOST": "client.example.net",
    "TCPREMOTEPORT": "54321",
    "TCPLOCALIP": "192.0.2.1",
    "TCPLOCALHOST": "mx.example.org",
    "TCPLOCALPORT": "25",
}

# A queue program in sh would be slow and could not keep NUL bytes: this one writes queue.N.json.
_QUEUE = """#!/usr/bin/python3 -IS
import json, os, sys
def rest(fd):
    blocks = []
    while block := os.read(fd, 65536):
        blocks.append(block)
    return b"".join(blocks)
folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/queued"
message, envelope = rest(0), rest(1)
complete = envelope.startswith(b"F") and envelope.endswith(b"\\0\\0")
record = {"message": message.decode("latin1"), "envelope": envelope.decode("latin1"), "complete": complete,
          "env": {os.fsencode(k).decode("latin1"): os.fsencode(v).decode("latin1") for k, v in os.environ.items()}}
name = "%s/%d" % (folder, os.getpid())
with open(name + ".part", "w") as f:
    json.dump(record, f)
os.rename(name + ".part", name + ".json")
sys.exit(0 if complete else 91)
"""


@dataclass
class Queued:
    """One message as the queue program got it."""

    message: bytes
    sender: str
    recipients: list[str]
    env: dict[str, str]


class Home:
    """A folder with control/, bin/ and queued/, fit for $QMAILHOME."""

    def __init__(self, folder: Path, control: dict[str, str | bytes | None] | None = None) -> None:
        self.path = folder
        for name in ("control", "bin", "users", "queued"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "queued").chmod(0o777)
        for name, text in {**DEFAULT_CONTROL, **(control or {})}.items():
            if text is not None:
                self.control(name, text)
        self.program("qmail-queue", _QUEUE)

    def control(self, name: str, text: str | bytes) -> Path:
        """Write one control file."""
        path = self.path / "control" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin1") if isinstance(text, str) else text)
        return path

    def program(self, name: str, text: str) -> Path:
        """Write an executable bin/NAME."""
        path = self.path / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def link(self, *names: str) -> None:
        """Put programs of this project into bin/ of the home."""
        for name in names:
            (self.path / "bin" / name).symlink_to(BIN / name)

    def env(self, **more: str) -> dict[str, str]:
        """An environment as tcpserver would set it, for this home."""
        base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "QMAILHOME": str(self.path)}
        return {**base, **TCP_ENVIRONMENT, "LOGLEVEL": "3", **more}

    def queued(self) -> list[Queued]:
        """The messages whose envelope was complete, oldest first."""
        files = sorted((self.path / "queued").glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
        found = []
        for record in (json.loads(f.read_text()) for f in files):
            if record["complete"]:
                parts = record["envelope"].split("\0")
                sender, recipients = parts[0][1:], [p[1:] for p in parts[1:] if p]
                found.append(Queued(record["message"].encode("latin1"), sender, recipients, record["env"]))
        return found

    def smtp(self, text: str | bytes, program: str = "qmail-smtpd", **env: str) -> subprocess.CompletedProcess[bytes]:
        """Run a scripted session on pipes: `text` in, replies out, log on stderr."""
        data = text.encode("latin1") if isinstance(text, str) else text
        unset = {name for name, value in env.items() if value is None}
        full = {k: v for k, v in self.env(**env).items() if k not in unset}
        return subprocess.run(
            [os.fspath(BIN / program)], input=data, capture_output=True, env=full, timeout=60, check=False
        )


def codes(output: bytes) -> list[int]:
    """The reply codes of an SMTP dialog, one a reply; asserts that every line is well formed."""
    found = []
    for line in output.split(b"\r\n")[:-1]:
        assert line[:3].isdigit() and line[3:4] in (b" ", b"-"), line
        if line[3:4] == b" ":
            found.append(int(line[:3]))
    assert output.endswith(b"\r\n") or not output, output[-80:]
    return found
