"""A client of one bin/qmail-smtpd whose steps the test makes, over a socket pair or two pipes, in clear and over TLS.

TLS uses memory BIOs, so that a test decides how the bytes are sent: all at once, one by one, or only a part of them.
Every wait has a timeout; a receiver that hangs fails the test.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from types import TracebackType

from .home import Home
from .processes import BIN, DEADLINE


class SmtpClient:
    """Use as a context manager. `log` is there after `wait`."""

    def __init__(self, home: Home, via: str = "socketpair", user: int | None = None, **env: str) -> None:
        self.secure: ssl.SSLObject | None = None
        self.log = ""
        self._received = b""
        self._from_server, self._to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        theirs = self._connect(via)
        self._log_path = home.path / f"log.{self._in}.{time.monotonic_ns()}"
        with open(self._log_path, "wb") as log:
            self.process = subprocess.Popen(
                [os.fspath(BIN / "qmail-smtpd")],
                stdin=theirs[0],
                stdout=theirs[-1],
                stderr=log,
                env=home.env(**env),
                user=user,
                group=user,
                start_new_session=True,
            )
        for fd in theirs:
            os.close(fd)

    def _connect(self, via: str) -> list[int]:
        if via == "socketpair":
            ours, theirs = socket.socketpair()
            self._in = self._out = ours.detach()
            return [theirs.detach()]
        input_end, self._out = os.pipe()
        self._in, output_end = os.pipe()
        return [input_end, output_end]

    def __enter__(self) -> SmtpClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    # Bytes as they travel

    def raw_send(self, data: bytes) -> None:
        """Send bytes as they are. Ignores a receiver that has closed the connection."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._out, view[:65536]) :]
        except (BrokenPipeError, ConnectionResetError):
            pass

    def raw_receive(self) -> bytes:
        """The next bytes of the wire, b"" at its end."""
        ready = select.select([self._in], [], [], DEADLINE)[0]
        assert ready, "the receiver says nothing"
        try:
            return os.read(self._in, 1 << 16)
        except ConnectionResetError:
            return b""

    def hang_up(self) -> None:
        """Close the connection."""
        for fd in {self._in, self._out} - {-1}:
            os.close(fd)
        self._in = self._out = -1

    # What SMTP sees

    def send(self, data: bytes, bytewise: bool = False) -> None:
        """Commands, encrypted if need be; `bytewise` in writes of one byte each."""
        if self.secure:
            self.secure.write(data)
            data = self._to_server.read()
        for piece in [data[at : at + 1] for at in range(len(data))] if bytewise else [data]:
            self.raw_send(piece)

    def receive(self) -> bytes:
        """The next input, b"" at its end. Raises ssl.SSLError, also for an end without close_notify."""
        if not self.secure:
            return self.raw_receive()
        try:
            return self._drive(lambda: self.secure.read(1 << 14))  # type: ignore[union-attr]
        except ssl.SSLZeroReturnError:
            return b""

    def reply(self) -> bytes:
        """The next whole reply with its line ends, b"" if there is none any more."""
        line = b"   -"
        text = b""
        while line[3:4] == b"-":
            while b"\n" not in self._received:
                data = self.receive()
                if not data:
                    assert not self._received and not text, self._received
                    return b""
                self._received += data
            line, _, self._received = self._received.partition(b"\n")
            text += line + b"\n"
        return text

    def say(self, *commands: bytes) -> list[int]:
        """Each command and the code of its reply."""
        found = []
        for command in commands:
            self.send(command + b"\r\n")
            found.append(self.code())
        return found

    def code(self) -> int:
        return int(self.reply()[:3] or b"0")

    def rest(self) -> bytes:
        """Everything until the end."""
        data, self._received = self._received, b""
        while block := self.receive():
            data += block
        return data

    def rest_raw(self) -> bytes:
        """Everything until the end, not decrypted."""
        return b"".join(iter(self.raw_receive, b""))

    def handshake(
        self,
        context: ssl.SSLContext,
        name: str | None = "mx.example.org",
        bytewise: bool = False,
        early: bytes = b"",
    ) -> None:
        """TLS from here on; the certificate is to be for `name`. Raises ssl.SSLError.

        `early` goes out with our last bytes of the handshake.
        """
        self._received = b""
        context.check_hostname = name is not None and context.verify_mode == ssl.CERT_REQUIRED
        self.secure = context.wrap_bio(self._from_server, self._to_server, server_hostname=name)
        self._drive(self.secure.do_handshake, bytewise)
        if early:
            self.secure.write(early)
        self._deliver(bytewise)

    def starttls(self, context: ssl.SSLContext, name: str | None = "mx.example.org") -> None:
        """Greeting, STARTTLS and handshake."""
        assert self.code() == 220
        assert self.say(b"STARTTLS") == [220]
        self.handshake(context, name)

    def _drive(self, step: Callable[[], bytes | None], bytewise: bool = False) -> bytes:
        while True:
            try:
                return step() or b""
            except ssl.SSLWantReadError:
                self._deliver(bytewise)
                data = self.raw_receive()
                if data:
                    self._from_server.write(data)
                else:
                    self._from_server.write_eof()
            except ssl.SSLError:
                self._deliver(bytewise)
                raise

    def _deliver(self, bytewise: bool) -> None:
        data = self._to_server.read()
        for piece in [data[at : at + 1] for at in range(len(data))] if bytewise else [data]:
            self.raw_send(piece)

    # The end

    def wait(self) -> int:
        """The exit status; the log is read."""
        status = self.process.wait(DEADLINE)
        self.log = self._log_path.read_text()
        return status
