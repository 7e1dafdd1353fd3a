"""A milter for tests, with any answer to any command, and every kind of failure.

    with FakeMilter({milter.MAIL: [answer(milter.REJECT)]}) as fake:
        ... fake.address ... fake.told(milter.MAIL) ...

An answer is a list of steps after a command: bytes are sent as they are, HANG sends nothing more until the test ends,
CLOSE ends the connection. Of a list of such lists, each is used once, and the last one for all further commands.
Without an answer given here a command is answered by CONTINUE, if the protocol has an answer to it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import Any

from qmail_smtpd.filters import milter
from qmail_smtpd.filters.milter import ANSWERS, COMMANDS, Packets, pack, unpack

HANG, CLOSE = "hang", "close"
SILENT = (milter.MACROS, milter.ABORT, milter.QUIT, milter.QUIT_NEW)
Answer = list[Any]


def answer(letter: bytes, *fields: Any) -> bytes:
    return pack(ANSWERS, letter, fields)


CONTINUE = answer(milter.CONTINUE)


class FakeMilter:
    def __init__(
        self,
        answers: dict[bytes, Answer] | None = None,
        steps: int = 0,
        actions: int = milter.ALL_ACTIONS,
        version: int = milter.VERSION,
        lists: tuple[tuple[int, bytes], ...] = (),
        path: Path | None = None,
        family: int = socket.AF_INET,
        keep: bool = True,
    ) -> None:
        self.answers = answers or {}
        self.steps = steps
        self._keep = keep  # whether commands are recorded; not for large messages
        self.negotiation = answer(milter.NEGOTIATE, version, actions, steps, lists)
        self.sessions: list[list[tuple[bytes, Any]]] = []  # what came, by connection
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX if path else family)
        self._socket.bind(str(path) if path else ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._socket.listen()
        port = 0 if path else self._socket.getsockname()[1]
        self.address = f"unix:{path}" if path else f"inet:127.0.0.1:{port}"
        if family == socket.AF_INET6:
            self.address = f"inet6:[::1]:{port}"
        self._start(self._accept)

    def __enter__(self) -> FakeMilter:
        return self

    def __exit__(self, *_: object) -> None:
        """What a session has sent before it ended is read first: on a busy machine it may still be on its way."""
        self._over.set()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        for thread in self._threads[1:]:
            thread.join(1)  # and no longer: somebody may keep a connection
        self.stop()

    def stop(self) -> None:
        """Close all connections, as if it were killed."""
        self._over.set()
        for one in (self._socket, *self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in (self._socket, *self._connections):
            one.close()

    @property
    def received(self) -> list[tuple[bytes, Any]]:
        return [one for session in self.sessions for one in session]

    def letters(self) -> bytes:
        """The letters of the commands that came, without those of macros."""
        return b"".join(letter for letter, _ in self.received if letter != milter.MACROS)

    def told(self, letter: bytes) -> list[Any]:
        """The fields of every command of that letter."""
        return [fields for one, fields in self.received if one == letter]

    def macros(self, letter: bytes) -> dict[bytes, bytes]:
        """Those that went before a command, the last time."""
        return dict([fields[1] for one, fields in self.received if one == milter.MACROS and fields[0] == letter][-1])

    def body(self) -> bytes:
        return b"".join(fields[0] for fields in self.told(milter.BODY))

    def _start(self, run: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            self.sessions.append([])
            self._start(self._serve, connection, self.sessions[-1])

    def _serve(self, connection: socket.socket, session: list[tuple[bytes, Any]]) -> None:
        packets = Packets()
        with contextlib.suppress(OSError):
            while data := connection.recv(1 << 16):
                packets.receive(data)
                while (packet := packets.next()) is not None:
                    letter, fields = unpack(COMMANDS, packet)
                    if self._keep:
                        session.append((letter, fields))
                    for step in self._answer(letter):
                        if step == CLOSE:
                            connection.shutdown(socket.SHUT_RDWR)
                        elif step == HANG:
                            self._over.wait()
                        else:
                            connection.sendall(step)

    def _answer(self, letter: bytes) -> Answer:
        scripted = self.answers.get(letter)
        if scripted is not None:
            if scripted and isinstance(scripted[0], list):
                return scripted.pop(0) if len(scripted) > 1 else scripted[0]
            return scripted
        if letter == milter.NEGOTIATE:
            return [self.negotiation]
        silent = letter in SILENT or self.steps & milter.NOT_ANSWERED.get(letter, 0)
        return [] if silent else [CONTINUE]
