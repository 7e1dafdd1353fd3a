"""A session within the test's own process: client and queue are objects. For thousands of sessions.

ending = converse(pieces, control={...}, env={...})
ending.output, ending.queued, ending.exit
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from qmail_smtpd import checkers
from qmail_smtpd.control.config import Config
from qmail_smtpd.control.files import ControlFiles
from qmail_smtpd.control.hosts import Hosts
from qmail_smtpd.logs.log import Log
from qmail_smtpd.session.chain import Chain
from qmail_smtpd.session.commands import Commands
from qmail_smtpd.session.conversation import Conversation
from qmail_smtpd.session.facts import Session
from qmail_smtpd.smtp.client import Client
from qmail_smtpd.smtp.errors import ClientGone

CONTROL = {"me": b"mx.example.org\n", "rcpthosts": b"example.org\n", "locals": b"local.example.org\n"}
ENVIRONMENT = {
    b"TCPREMOTEIP": b"192.0.2.10",
    b"TCPREMOTEHOST": b"client.example.net",
    b"TCPLOCALHOST": b"mx.example.org",
}


class MemoryControl(ControlFiles):
    """Control files in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(b"/nonexistent")
        self._files = files

    def read(self, name: str) -> bytes | None:
        return self._files.get(name)


class MemoryWire:
    """A client that sends `pieces`, each in one read, and then closes the connection."""

    encryption = None

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.sent: list[bytes] = []

    def read(self) -> bytes:
        for piece in self._pieces:
            if piece:
                return piece
        raise ClientGone

    receive = read

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def flush(self) -> None:
        pass

    def part(self, quiet: bool = False) -> None:
        pass

    def sleep(self, seconds: float) -> None:
        pass

    def progress(self, waiting: bool = True) -> None:
        pass

    def readable(self, seconds: float) -> bool:
        return False

    def peer_is_there(self) -> bool:
        return True


class MemoryLog(Log):
    """Keeps its lines."""

    def __init__(self) -> None:
        super().__init__(b"qmail-smtpd", 4)
        self.lines: list[bytes] = []

    def line(self, *parts: bytes) -> None:
        self.lines.append(b"".join(parts))


@dataclass
class Message:
    """What a queue program was given; `envelope` None: it never got one."""

    text: bytes = b""
    envelope: bytes | None = None


@dataclass
class Ending:
    """The result of a session."""

    output: bytes = b""
    exit: int = -1
    started: list[Message] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)

    @property
    def queued(self) -> list[Message]:
        return [message for message in self.started if message.envelope is not None]


class MemoryQueue:
    """Takes the place of qmailqueue.Queue; accepts whatever gets its envelope."""

    pid = 4711

    def __init__(self, message: Message) -> None:
        self._message = message

    def write(self, block: bytes) -> None:
        self._message.text += block

    def finish(self, envelope: Iterable[bytes], *_: Any) -> tuple[int, bytes]:
        self._message.envelope = b"".join([*envelope, b"\0"])
        return 0, b""

    def abandon(self) -> None:
        pass


def converse(
    pieces: Iterable[bytes], control: dict[str, bytes] | None = None, env: dict[bytes, bytes] | None = None
) -> Ending:
    """One session. Raises whatever the program raises."""
    ending = Ending()

    def start(path: bytes, env: dict[bytes, bytes]) -> MemoryQueue:
        ending.started.append(Message())
        return MemoryQueue(ending.started[-1])

    config = Config({**ENVIRONMENT, **(env or {})}, MemoryControl({**CONTROL, **(control or {})}))
    wire: Any = MemoryWire(pieces)
    log = MemoryLog()
    session = Session(config, Client(config.env), Hosts(config), log, wire.sleep, wire.flush)
    commands = Commands(session, Chain(checkers.configured(config, log), config, log), start)  # type: ignore[arg-type]
    try:
        ending.exit = Conversation(lambda: commands, wire).run()
    finally:
        commands.end()
    ending.output = b"".join(wire.sent)
    ending.log = log.lines
    return ending


def play(dialog: str, control: dict[str, bytes] | None = None, **env: str) -> Ending:
    """Play a transcript and assert the replies: `C:` what the client sends, `S:` the code, or code and enhanced code,
    of the reply. The greeting is left out.
    """
    lines = [line.strip() for line in dialog.strip().splitlines() if line.strip()]
    said = "".join(line[3:] + "\r\n" for line in lines if line.startswith("C:"))
    variables = {name.encode(): value.encode("latin1") for name, value in env.items()}
    ending = converse([said.encode("latin1")], control, variables)
    heard = [line for line in ending.output.decode("latin1").split("\r\n")[:-1] if line[3] == " "][1:]
    spoken, answers = [], iter(heard)
    for line in lines:
        if line.startswith("S:"):
            answer, wanted = next(answers, "S: nothing"), line[3:]
            fits = answer.startswith(wanted[:3]) and wanted[4:] in answer
            spoken.append(line if fits else f"S: {answer}")
        else:
            spoken.append(line)
    assert spoken == lines
    assert not list(answers), "more replies than the transcript has"
    return ending
