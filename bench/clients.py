"""Clients for servers on loopback. What they cost themselves is not part of any figure but the wall time."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from time import perf_counter

from measure import reap, run

from tests.support.processes import program

HOST = "127.0.0.1"
SENDER, RECIPIENT = "sender@example.net", "someone@example.org"
TIMEOUT = 60  # seconds


def smtp_source(port: int, *, count: int, at_once: int = 1, size: int = 1024) -> float:
    """`count` sessions of one message each by Postfix's smtp-source, so many at once; wall seconds."""
    argv = [program("smtp-source"), "-s", str(at_once), "-m", str(count), "-l", str(size), "-M", "client.example.net"]
    return run([*argv, "-f", SENDER, "-t", RECIPIENT, f"{HOST}:{port}"], {}).wall


def sessions(
    port: int, *, count: int, at_once: int, message: bytes, encrypted: bool = False, to: str = RECIPIENT
) -> float:
    """`count` sessions shared by `at_once` processes, with STARTTLS if `encrypted`; wall seconds."""
    begin = perf_counter()
    processes = []
    for number in range(at_once):
        pid = os.fork()
        if pid == 0:
            os._exit(_work(port, len(range(number, count, at_once)), message, encrypted, to))
        os.setpgid(pid, pid)
        processes.append(pid)
    statuses = [reap(pid)[1] for pid in processes]
    if any(statuses):
        sys.exit("a session went wrong")
    return perf_counter() - begin


def _work(port: int, count: int, message: bytes, encrypted: bool, to: str) -> int:
    context = None
    if encrypted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        for _ in range(count):
            _one(port, message, context, to)
    except Exception as error:  # this process must not go on as a second bench
        print(f"client: {error!r}", file=sys.stderr)
        return 1
    return 0


def _one(port: int, message: bytes, context: ssl.SSLContext | None, to: str) -> None:
    with socket.create_connection((HOST, port), TIMEOUT) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # no wait of its own making
        _expect(connection, 220)
        _say(connection, b"EHLO client.example.net\r\n", 250)
        if context:
            _say(connection, b"STARTTLS\r\n", 220)
            connection = context.wrap_socket(connection)  # takes the descriptor over
            _say(connection, b"EHLO client.example.net\r\n", 250)
        _say(connection, f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode(), 250, 250, 354)
        _say(connection, message + b".\r\nQUIT\r\n", 250, 221)
        connection.close()


def _say(connection: socket.socket, line: bytes, *codes: int) -> None:
    connection.sendall(line)
    _expect(connection, *codes)


def _expect(connection: socket.socket, *codes: int) -> None:
    """One reply for each code; raises OSError for another one, or none."""
    said, last = b"", []
    while len(last) < len(codes):
        block = connection.recv(4096)
        said += block
        last = [line for line in said.split(b"\r\n")[:-1] if line[3:4] == b" "]
        if not block:
            break
    if [int(line[:3]) for line in last] != list(codes):
        raise OSError(f"expected {codes}: {said!r}")
