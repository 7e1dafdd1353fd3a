"""Programs that we start: what they get, and that every wait is bounded."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from qmail_smtpd.programs import process

ENV = {b"PATH": b"/usr/bin:/bin"}
TELLS = b"""grep ^Sig /proc/self/status; echo $$ $(ps -o pgid= -p $$); ls /proc/$$/fd | tr '\\n' ' '"""


def told(tmp_path: Path, script: bytes, group: bool = False) -> str:
    """What a shell script printed that was given this file on fd 1 and nothing else."""
    fd = os.open(tmp_path / "told", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        pid = process.spawn([b"/bin/sh", b"-c", script], ENV, {1: fd}, group)
        assert process.wait(pid) == 0
    finally:
        os.close(fd)
    return (tmp_path / "told").read_text()


def test_signals_do_what_they_do_by_default(tmp_path: Path) -> None:
    """Python ignores two of them, and somebody may have blocked others."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD])
    try:
        lines = dict(line.split() for line in told(tmp_path, b"grep ^Sig /proc/self/status").splitlines())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert int(lines["SigBlk:"], 16) == 0
    ignored = int(lines["SigIgn:"], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1) and not ignored & 1 << (signal.SIGXFSZ - 1)


def test_a_group_of_its_own(tmp_path: Path) -> None:
    pid, group = told(tmp_path, b"echo $$ $(ps -o pgid= -p $$)", group=True).split()
    assert pid == group
    _, group = told(tmp_path, b"echo $$ $(ps -o pgid= -p $$)").split()
    assert int(group) == os.getpgrp()


def test_only_what_it_is_given(tmp_path: Path) -> None:
    here = os.open("/dev/null", os.O_RDONLY)
    try:
        passed = {fd for fd in range(3, 256) if _passes(fd)}
        assert here not in passed
        given = {int(word) for word in told(tmp_path, b"ls /proc/$$/fd").split()}
        assert given - passed <= {0, 1, 2}
    finally:
        os.close(here)


def _passes(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


@pytest.mark.parametrize("path", [b"/nonexistent", b"/", b"/dev/null", b"", b"with\0nul"])
def test_what_cannot_be_executed(path: bytes) -> None:
    with pytest.raises(OSError):
        process.spawn([path], ENV, {})


@pytest.mark.parametrize(("script", "status"), [(b"exit 7", 7), (b"kill -9 $$", -9), (b":", 0)])
def test_how_it_ended(script: bytes, status: int) -> None:
    argv = [b"/bin/sh", b"-c", script]
    assert process.reap(process.spawn(argv, ENV, {}), 30) == status
    assert process.wait(process.spawn(argv, ENV, {})) == status


def test_one_that_goes_on() -> None:
    pid = process.spawn([b"/bin/sleep", b"1000"], ENV, {}, group=True)
    assert process.look(pid) is None
    assert process.reap(pid, 0) is None
    process.kill(pid, group=True)
    assert process.look(pid) == process.LOST, "it has been reaped"


def test_what_is_no_child() -> None:
    assert process.reap(1, 30) == process.LOST
    assert process.wait(1) == process.LOST
