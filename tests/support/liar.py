"""A name server on 127.0.0.1 that sends exactly the bytes that a test gives it, by UDP and by TCP.

    with lying(answers) as port        answers(query, by_tcp) -> the packets to send, in order

Over TCP the packets are sent as they are, so they must begin with their length (`with_length`); then the connection is
closed.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .dns import both

TIMEOUT = 5.0  # seconds that a client by TCP has for its question

Answers = Callable[[bytes, bool], list[bytes]]


@contextmanager
def lying(answers: Answers) -> Iterator[int]:
    udp, tcp = both()
    stop, stopper = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(answers, udp, tcp, stop), daemon=True)
    thread.start()
    try:
        yield udp.getsockname()[1]
    finally:
        stopper.close()
        thread.join()
        for each in (udp, tcp, stop):
            each.close()


def _serve(answers: Answers, udp: socket.socket, tcp: socket.socket, stop: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([udp, tcp, stop], [], [])
        if stop in ready:
            return
        if udp in ready:
            query, asker = udp.recvfrom(2048)
            for packet in answers(query, False):
                udp.sendto(packet, asker)
        if tcp in ready:
            connection, _ = tcp.accept()
            connection.settimeout(TIMEOUT)
            # The client may close the connection at any time.
            with suppress(OSError, struct.error), connection, connection.makefile("rb") as stream:
                (length,) = struct.unpack(">H", stream.read(2))
                for packet in answers(stream.read(length), True):
                    connection.sendall(packet)


def with_length(packet: bytes) -> bytes:
    return struct.pack(">H", len(packet)) + packet


def reply(query: bytes, *records: bytes, flags: int = 0x8180) -> bytes:
    """An answer to a query with these records in the answer section."""
    return query[:2] + struct.pack(">5H", flags, 1, len(records), 0, 0) + query[12:] + b"".join(records)


def record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    """A record; its owner is the name in the question, unless another one is given as it goes over the wire."""
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
