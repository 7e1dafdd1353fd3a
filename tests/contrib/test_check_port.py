"""contrib/check-port: `make run` says that a port is taken; the receiver that has it sees no connection."""

from __future__ import annotations

import select
import socket
import subprocess

from ..support.processes import ROOT, free_port


def asked(port: int | str) -> tuple[int, str]:
    argv = [ROOT / "contrib/check-port", str(port), "run-ldap"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert asked(port) == (1, f"port {port} is taken; try make run-ldap PORT=2526\n")
        assert select.select([server], [], [], 0)[0] == []


def test_a_port_that_is_free() -> None:
    assert asked(free_port()) == (0, "")


def test_what_is_no_port() -> None:
    for word in ("smtp", "0", "99999", ""):
        assert asked(word) == (1, f"PORT={word} is no port: write a number from 1 to 65535\n")
