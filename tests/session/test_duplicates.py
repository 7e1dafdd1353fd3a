"""A client that has gone before its message was sealed does not get it delivered: it will send it again.

Told from the outside: the queue program waits behind a gate, so that the client can leave at that very moment.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from ..support.home import Home
from ..support.processes import BIN, wait_until

# Keeps what it reads; begins only when the file `gate` is there.
GATED_QUEUE = """#!/usr/bin/python3 -IS
import os, sys, time
home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
open(home + "/queue-started", "w").close()
while not os.path.exists(home + "/gate"):
    time.sleep(0.01)
def rest(fd):
    blocks = []
    while block := os.read(fd, 65536):
        blocks.append(block)
    return b"".join(blocks)
message, envelope = rest(0), rest(1)
complete = envelope.endswith(b"\\0\\0")
with open(home + ("/complete" if complete else "/incomplete"), "wb") as file:
    file.write(envelope)
sys.exit(0 if complete else 54)
"""
OPENING = b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"
# More than a pipe holds: the filter cannot have handed it all over before the gate opens.
MESSAGE = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 12_000 + b".\r\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.program("qmail-queue", GATED_QUEUE)
    return home


def start(home: Home) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    process = subprocess.Popen(
        [os.fspath(BIN / "qmail-smtpd")], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=home.env()
    )
    theirs.close()
    return process, ours


def deliver(home: Home, client: socket.socket) -> None:
    """Everything up to the final dot, while the queue program stands before its gate."""
    client.sendall(OPENING)
    wait_until((home.path / "queue-started").exists, "the queue program is started")
    client.sendall(MESSAGE)


def test_a_client_that_has_gone_leaves_no_message(home: Home) -> None:
    process, client = start(home)
    deliver(home, client)
    client.close()
    (home.path / "gate").touch()
    assert process.wait(30) == 1
    wait_until((home.path / "incomplete").exists, "the queue program has seen the end")
    assert not (home.path / "complete").exists()


def test_a_client_that_only_stopped_sending_gets_its_message_queued(home: Home) -> None:
    """Scripted sessions do that."""
    process, client = start(home)
    deliver(home, client)
    client.shutdown(socket.SHUT_WR)
    (home.path / "gate").touch()
    assert process.wait(30) == 1
    assert b"\r\n250 ok " in client.makefile("rb").read()
    client.close()
    assert (home.path / "complete").exists()


def test_a_client_that_waits_gets_its_promise(home: Home) -> None:
    process, client = start(home)
    deliver(home, client)
    (home.path / "gate").touch()
    client.sendall(b"QUIT\r\n")
    assert process.wait(30) == 0
    assert b"\r\n250 ok " in client.makefile("rb").read()
    client.close()
    assert (home.path / "complete").exists()
