"""The log of the resident mode: nobody waits for its reader, and what got lost is counted and told."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator

import pytest

from qmail_smtpd.logs import log as logs
from qmail_smtpd.logs.jsonlog import JsonLog
from qmail_smtpd.logs.log import Log
from qmail_smtpd.logs.output import Output

F_SETPIPE_SZ = 1031


@pytest.fixture(params=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """The end to read and the end to write: a pipe of one page, or a socket."""
    if request.param == "pipe":
        ours, its = os.pipe()
        fcntl.fcntl(its, F_SETPIPE_SZ, 4096)
    else:
        one, other = socket.socketpair()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        ours, its = one.detach(), other.detach()
    os.set_blocking(ours, False)
    yield ours, its
    os.close(ours)
    os.close(its)


@pytest.fixture
def reader(ends: tuple[int, int]) -> int:
    return ends[0]


@pytest.fixture(params=[Log, JsonLog])
def log(request: pytest.FixtureRequest, ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(logs, "output", Output(0, ends[1]))
    made: Log = request.param(b"program", 4)
    return made


def said(reader: int) -> list[bytes]:
    text = b""
    try:
        while block := os.read(reader, 65536):
            text += block
    except BlockingIOError:
        pass
    return text.splitlines()


def test_a_reader_that_keeps_up_gets_every_line(reader: int, log: Log) -> None:
    for number in range(500):
        log.line(b"line %d." % number)
        (line,) = said(reader)
        assert b"line %d." % number in line


def test_what_is_lost_is_counted_and_told_once(reader: int, log: Log) -> None:
    for _ in range(2):
        for number in range(1000):
            log.line(b"line %d." % number)
        lines = said(reader)
        kept = sum(b"line " in line for line in lines)
        assert 0 < kept < 1000
        log.line(b"later")
        told, later = said(reader)
        assert b"%d log lines could not be written" % (1000 - kept) in told
        assert b"later" in later


def test_a_log_that_cannot_be_written() -> None:
    """Nothing is counted, for nobody will ever be told."""
    with open(os.devnull, "rb") as null:
        output = Output(0, null.fileno())
        assert output.write(b"a line\n")
        assert output.lost == 0


def test_one_that_we_may_not_open_is_asked_before(ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe of another user."""
    monkeypatch.setattr("qmail_smtpd.logs.output._opened_anew", lambda fd: fd)
    output = Output(0, ends[1])
    results = [output.write(b"x" * 100 + b"\n") for _ in range(1000)]
    assert True in results and False in results
    assert output.lost == results.count(False)
