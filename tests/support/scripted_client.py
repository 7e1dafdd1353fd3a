"""The client of a recorded session: follows the steps, or sends the same bytes in another way, and keeps a record."""

from __future__ import annotations

import base64
import fcntl
import re
import select
import socket
import ssl
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

WHOLE, BYTES = "whole", "bytes"
TIMEOUT = 60.0  # seconds for what must come, however busy the machine is
SHORT_TIMEOUT = 4.0  # for what did not come when the session was recorded

_ENHANCED = re.compile(r"#(\d\.\d{1,3}\.\d{1,3})")


def payload(step: dict[str, Any]) -> bytes:
    """What a step sends."""
    data = base64.b64decode(step["send_b64"]) if "send_b64" in step else step.get("send", "").encode("latin1")
    then = str(step.get("then", ""))
    return bytes(data) * int(step.get("repeat", 1)) + then.encode("latin1")


class Client:
    """The other end of a session, following a script."""

    def __init__(self, connection: socket.socket, recorded: dict[str, Any]) -> None:
        self._socket = connection
        self._recorded = {expect[0]: expect[1] for expect in recorded["expects"]}
        self._buffer = b""
        self._ended = False
        self._left = False  # we closed the connection
        self._closed: bool | str = False  # the program closed the connection
        self._encrypted = False
        self._replies: list[dict[str, Any]] = []
        self._expects: list[list[Any]] = []

    def record(self) -> dict[str, Any]:
        return {
            "replies": self._replies,
            "partial": bool(self._buffer),
            "expects": self._expects,
            "server_closed": self._closed,
        }

    def play(self, steps: list[dict[str, Any]]) -> None:
        for number, step in enumerate(steps):
            self._send_step(step)
            if "expect" in step:
                self._expect(number, step)
            if "if354" in step and self._last_code(number) == "354":
                self._send(step["if354"].encode("latin1"))
                self._expect(number, {"expect": 1})
            if "sleep" in step:
                time.sleep(step["sleep"])
            if "starttls" in step:
                self._encrypt(number, step["starttls"])
            if "half_close" in step:
                self._end_input()
            if "close" in step:
                self._socket.close()
                self._ended = self._left = True
            if "expect_close" in step:
                self._expect_close(number, step)

    def recite(self, data: bytes, delivery: str) -> None:
        """Send everything without waiting for replies, reading them meanwhile; then end the input."""
        if delivery == WHOLE:
            self._send(data)
        else:
            for position in range(len(data)):
                self._send(data[position : position + 1])
                self._until_read()
                if self._ended:
                    return
        self._end_input()

    def settle(self) -> None:
        """Read until the program closes the connection; if it does not, end our input and read again."""
        self._hear_out(TIMEOUT)
        closed = self._ended
        self._take_replies("end")
        if not closed:
            self._end_input()
            self._hear_out(TIMEOUT)
            self._take_replies("end")
        self._closed = "client-closed" if self._left else closed

    def _hear_out(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._ended and (left := end - time.monotonic()) > 0:
            self._hear(left)

    def _send_step(self, step: dict[str, Any]) -> None:
        data, split = payload(step), step.get("split")
        cuts = range(split, len(data), split) if isinstance(split, int) else split or []
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            self._send(data[begin:end])
            time.sleep(step.get("gap", 0))

    def _send(self, data: bytes) -> None:
        if self._encrypted:
            with suppress(OSError):
                self._socket.sendall(data)
            return
        view = memoryview(data)
        while view and not self._left:
            readable, writable, _ = select.select([] if self._ended else [self._socket], [self._socket], [], TIMEOUT)
            if readable:
                self._hear(0)
            if writable:
                try:
                    view = view[self._socket.send(view[:65536], socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    continue
                except OSError:
                    return

    def _until_read(self) -> None:
        """Wait until the program has taken from the socket what we have sent, or is gone."""
        waiting = bytearray(4)
        while not self._ended:
            fcntl.ioctl(self._socket, termios.TIOCOUTQ, waiting)
            if not any(waiting):
                return
            self._hear(0.0002)

    def _hear(self, seconds: float) -> None:
        if self._ended:
            return
        if not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            readable, _, _ = select.select([self._socket], [], [], seconds)
            if not readable:
                return
        try:
            data = self._socket.recv(65536)
        except OSError:
            data = b""
        self._buffer += data
        self._ended = not data

    def _next_reply(self, seconds: float) -> tuple[str, list[bytes]]:
        end = time.monotonic() + seconds
        while True:
            lines = self._pop()
            if lines:
                return "ok", lines
            if self._ended:
                return "eof", []
            left = end - time.monotonic()
            if left <= 0:
                return "timeout", []
            self._hear(left)

    def _pop(self) -> list[bytes]:
        """The lines of one whole reply; nothing if it is not all there."""
        lines: list[bytes] = []
        for line in _lines(self._buffer):
            if not line.endswith(b"\n"):
                return []
            lines.append(line)
            if not re.match(rb"\d\d\d-", line):
                self._buffer = self._buffer[sum(map(len, lines)) :]
                return lines
        return []

    def _expect(self, number: int, step: dict[str, Any]) -> None:
        began, got, word = time.monotonic(), 0, "ok"
        while got < step["expect"] and word == "ok":
            word, lines = self._next_reply(self._timeout(number, step))
            if word == "ok":
                got += 1
                self._replies.append(_reply(number, lines))
        self._expects.append([number, word, got, *_punctuality(step, time.monotonic() - began)])

    def _timeout(self, number: int, step: dict[str, Any]) -> float:
        """Long for what is known to come."""
        return float(step.get("timeout", SHORT_TIMEOUT)) if self._recorded.get(number) == "timeout" else TIMEOUT

    def _expect_close(self, number: int, step: dict[str, Any]) -> None:
        began = time.monotonic()
        self._hear_out(TIMEOUT)
        self._take_replies(number)
        word = "closed" if self._ended else "still-open"
        self._expects.append([number, word, 0, *_punctuality(step, time.monotonic() - began)])

    def _take_replies(self, step: int | str) -> None:
        while lines := self._pop():
            self._replies.append(_reply(step, lines))

    def _last_code(self, number: int) -> str | None:
        last = self._replies[-1] if self._replies else {}
        return last.get("code") if last.get("step") == number else None

    def _encrypt(self, number: int, version: bool | str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if version == "1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._socket.settimeout(TIMEOUT)
        try:
            self._socket = context.wrap_socket(self._socket)
        except OSError as error:
            self._expects.append([number, "tls-fail", type(error).__name__])
            self._ended = True
        else:
            self._encrypted = True
            self._expects.append([number, "tls-ok", self._socket.version()])

    def _end_input(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)


def _lines(data: bytes) -> list[bytes]:
    """Lines end at LF only."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _reply(step: int | str, lines: list[bytes]) -> dict[str, Any]:
    text = b"".join(lines).decode("latin1")
    code = re.match(r"(\d\d\d)([ -]|\r?\n)", text)
    enhanced = _ENHANCED.search(text)
    reply: dict[str, Any] = {
        "step": step,
        "code": code.group(1) if code else None,
        "esc": enhanced.group(1) if enhanced else None,
        "lines": len(lines),
        "text": text,
    }
    if not all(line.endswith(b"\r\n") for line in lines):
        reply["bare_lf"] = True
    if len(lines) > 1 and reply["code"] == "250":
        reply["ehlo"] = sorted(line[4:].decode("latin1").strip() for line in lines[1:])
    return reply


def _punctuality(step: dict[str, Any], seconds: float) -> Iterator[str]:
    """Whether a step that says so took as long as it should."""
    if "min" in step or ("max" in step and "expect" in step):
        yield "early" if seconds < step.get("min", 0) else "late" if seconds > step.get("max", 99) else "in-time"
