"""A client of a fake milter, and a message to show it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from qmail_smtpd.filters import milter
from qmail_smtpd.filters.milterclient import MilterClient
from qmail_smtpd.filters.settings import MILTER_OPTIONS, parse_line

from ..support.fake_milter import FakeMilter
from ..support.processes import wait_until

ABOUT = (b"client.example.net", milter.INET, 4321, b"192.0.2.7")
BODY = b"one\ntwo\r\n\nlast"


class Message:
    fields = [(b"Subject", b" hello\n\tthere"), (b"X-Twice", b" 1"), (b"X-Twice", b"\t2")]

    def __init__(self, body: bytes = BODY) -> None:
        self._body = body

    def body(self) -> Iterator[bytes]:
        for start in range(0, len(self._body), 100_000):
            yield self._body[start : start + 100_000]


class Spool:
    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.data = b""


class Recorder:
    """Stands for the Edits of a transaction."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, method: str) -> Any:
        return lambda *arguments: self.calls.append((method, *arguments))


class Talk:
    """A MilterClient and what it complained about."""

    def __init__(self, fake: FakeMilter | str, options: str = "") -> None:
        address = fake if isinstance(fake, str) else fake.address
        settings = parse_line(f"fake {address} {options}".encode(), MILTER_OPTIONS, b"control/smtpmilters:1")
        self.complaints: list[bytes] = []
        self.client = MilterClient(settings, self.complaints.append, Spool)

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def up_to_data(self) -> str:
        """The answers of all commands before the message, as codes."""
        client = self.client
        said = [client.connect(ABOUT), client.helo(b"me"), client.mail([b"<s@example.net>", b"SIZE=9"])]
        said += [client.rcpt([b"<r@example.org>"]), client.data()]
        return " ".join(str(reply.code) if reply else "-" for reply in said)

    def whole(self, message: Message | None = None) -> str:
        """All of it: the last word is that of the message."""
        before = self.up_to_data()
        reply = self.client.message(message or Message())
        return f"{before} {reply.code if reply else '-'}"

    def wait_for_its_end(self) -> None:
        """Until the milter's end of the connection has come here."""
        wait_until(lambda: not self.client._is_open(), "the milter has ended")

    def edits(self) -> list[tuple[Any, ...]]:
        recorder = Recorder()
        if self.client.wanted is not None:
            self.client.wanted.apply(recorder)
        return recorder.calls


def closed_port() -> int:
    """One that nobody listens on: bound, so that nobody else gets it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
