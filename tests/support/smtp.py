"""An SMTP client whose steps the test makes. Every wait has a limit, and every reply has to be well formed.

with connect(("127.0.0.1", port)) as client:
    client.ask(None, 220)
    client.ask("NOOP", 250)
    client.quit()
"""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from .processes import DEADLINE


class Client:
    """`replies` are those received so far, each with its lines joined by LF."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        self.socket = connection
        self.replies: list[str] = []
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()

    @property
    def codes(self) -> list[int]:
        return [int(reply[:3]) for reply in self.replies]

    def say(self, text: str | bytes) -> None:
        """Send text as it is, without adding a line end. Ignores a connection that is closed already."""
        try:
            self.socket.sendall(text.encode("latin1") if isinstance(text, str) else text)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def hear(self) -> str:
        """The next reply; an empty one at the end of the connection."""
        lines: list[bytes] = []
        while not lines or lines[-1][3:4] == b"-":
            while b"\n" not in self._heard:
                block = self._receive()
                if not block:
                    assert not self._heard and not lines, (lines, self._heard)
                    return ""
                self._heard += block
            line, _, self._heard = self._heard.partition(b"\n")
            assert line.endswith(b"\r") and line[:3].isdigit() and line[3:4] in (b" ", b"-"), line
            lines.append(line[:-1])
        self.replies.append(b"\n".join(lines).decode("latin1"))
        return self.replies[-1]

    def ask(self, command: str | None, code: int) -> str:
        """Send a line, unless it is None, and check the code of the reply; 0 is the end of the connection."""
        if command is not None:
            self.say(command + "\r\n")
        reply = self.hear()
        assert int(reply[:3] or 0) == code, f"{command}: {reply or 'connection closed'}"
        return reply

    def deliver(self, recipient: str = "u@example.org", sender: str = "s@sender.example", body: str = "body") -> str:
        """A whole transaction; the reply to its end."""
        self.ask(f"MAIL FROM:<{sender}>", 250)
        self.ask(f"RCPT TO:<{recipient}>", 250)
        self.ask("DATA", 354)
        return self.ask(f"Subject: x\r\n\r\n{body}\r\n.", 250)

    def is_silent(self) -> bool:
        """Whether nothing has come so far. It proves something only if other events show that enough has happened."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
            return False
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(DEADLINE)

    def quit(self) -> None:
        self.ask("QUIT", 221)
        assert self.hear() == "", "the connection ends"

    def half_close(self) -> None:
        """Close the sending direction only."""
        self.socket.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        """Close the connection at once, even with unread replies."""
        self.socket.close()

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""


def connect(server: tuple[str, int], source: str = "127.0.0.1") -> Client:
    """A client of this address; an IPv6 server has one of its own address."""
    return Client(socket.create_connection(server, DEADLINE, (source if ":" not in server[0] else server[0], 0)))
