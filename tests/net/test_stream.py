"""Connections to filters: which addresses are tried, and what is imported for it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from qmail_smtpd.net import stream
from qmail_smtpd.net.stream import StreamError, connect, parse

from ..filters.client import closed_port
from ..support.processes import ROOT

LONG = 20.0


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every host name has these addresses."""
    real = stream._socket.getaddrinfo

    def looked_up(host: bytes, port: int, family: int, kind: int, protocol: int = 0, flags: int = 0) -> list[Any]:
        if flags:
            raise OSError("not numeric")
        return [found for address in addresses for found in real(address, port, family, kind)]

    monkeypatch.setattr(stream._socket, "getaddrinfo", looked_up)


def test_the_next_address_is_tried_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        names(monkeypatch, "127.0.0.1", "127.0.0.2", "127.0.0.1")
        port = listener.getsockname()[1]
        connect(parse(b"inet:filter.example:%d" % port), time.monotonic() + LONG).close()


def test_the_last_trouble_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.1", "127.0.0.2")
    with pytest.raises(StreamError, match="refused"):
        connect(parse(b"inet:filter.example:%d" % closed_port()), time.monotonic() + LONG)


@pytest.mark.parametrize("host", [b"a" * 70, b"a..b", b"xn--" + b"z" * 60, b"."])
def test_what_can_be_no_host_name(host: bytes) -> None:
    with pytest.raises(StreamError):
        connect(parse(b"inet:%b:25" % host), time.monotonic() + LONG)


def test_an_address_needs_no_codec_of_names() -> None:
    """A session has a process, and each import counts."""
    text = (
        "import sys, time; from qmail_smtpd.net.stream import *\n"
        "try: connect(parse(b'inet:127.0.0.1:%d' % int(sys.argv[1])), time.monotonic() + 20)\n"
        "except StreamError: print('encodings.idna' in sys.modules, 're' in sys.modules)"
    )
    argv = [sys.executable, "-SE", "-c", text, str(closed_port())]
    assert subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True).stdout == "False False\n"
