"""A policy server for tests: answers by a function of the attributes, and records the requests."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

Attributes = dict[str, str]


class FakePolicy:
    def __init__(self, answer: str | Callable[[Attributes], str]) -> None:
        self.asked: list[Attributes] = []
        self.connections = 0
        self._answer = answer if callable(answer) else lambda _: answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"inet:127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> FakePolicy:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in (self._listener, *self._connections):
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            attributes: Attributes = {}
            for line in lines:
                if line != b"\n":
                    name, _, value = line.decode("latin1").rstrip("\n").partition("=")
                    attributes[name] = value
                    continue
                self.asked.append(attributes)
                connection.sendall(f"action={self._answer(attributes)}\n\n".encode("latin1"))
                attributes = {}
