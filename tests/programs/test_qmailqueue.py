"""The queue program: what it is given, what its exit says (SPEC section 6)."""

from __future__ import annotations

import ast
import os
import resource
import sys
from pathlib import Path

import pytest

from qmail_smtpd.programs import qmailqueue
from qmail_smtpd.programs.qmailqueue import envelope, refusal

RESULTS = {
    **dict.fromkeys((11, 115), "554 5.1.3"),
    31: "554 5.3.0",
    **dict.fromkeys((51, 52, 53, 54, 55, 56, *range(61, 67), 71, 81, 91, 120), "451 4.3.0"),
    **dict.fromkeys((72, 73), "451 4.4.1"),
    74: "451 4.4.2",
    **dict.fromkeys([n for n in range(12, 41) if n != 31], "554 5.3.0"),
}


@pytest.mark.parametrize("status", [*range(1, 256), -1])
def test_every_exit_status(status: int) -> None:
    """One not in the list, and death by a signal, is 451."""
    reply = refusal(status, b"")
    assert f"{reply.code} {reply.esc.decode()}" == RESULTS.get(status, "451 4.3.0")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"Dno (#5.1.0)", b"554 no (#5.1.0)"),
        (b"Zlater (#4.1.0)", b"451 later (#4.1.0)"),
        (b"xyz", b"451 yz"),
        (b"dno", b"451 no"),
        (b"D\r\n\t", b"554    "),
        (b"D" + b"x" * 254, b"554 " + b"x" * 254),
    ],
)
def test_text(text: bytes, line: bytes) -> None:
    assert refusal(82, text).line() == line


@pytest.mark.parametrize("text", [b"", b"D", b"Dx", b"D" + b"x" * 255])
def test_text_that_is_none(text: bytes) -> None:
    assert refusal(82, text).line().endswith(b"(#4.3.0)")


def test_only_exit_82_has_a_text() -> None:
    assert b"own words" not in refusal(81, b"Dits own words").line()


def test_envelope() -> None:
    assert envelope(b"s@x", [b"a", b"b"]) == b"Fs@x\0Ta\0Tb\0\0"
    assert envelope(b"", [b"a"]) == b"F\0Ta\0\0"


# A program that tells what it is given

TELLS = """#!/usr/bin/python3 -IS
import os, sys
def rest(fd):
    blocks = []
    while block := os.read(fd, 65536):
        blocks.append(block)
    return b"".join(blocks)
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd))
message, envelope = rest(0), rest(1)
same = os.fstat(4).st_ino == os.fstat(6).st_ino
fed = envelope.endswith(b"\\0\\0")
with open(sys.argv[0] + ".told", "w") as f:
    print(repr((sys.argv, len(message), envelope, fds, same, dict(os.environb))), file=f)
sys.exit(0 if fed else 91)
"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    path = tmp_path / "queue"
    path.write_text(TELLS)
    path.chmod(0o755)
    return path


def test_what_it_is_given(told: Path) -> None:
    passed_on_by_us = {fd for fd in open_descriptors() if os.get_inheritable(fd)}
    queue = qmailqueue.start(os.fsencode(told), {b"A": b"\xff", b"PATH": b"/bin"})
    for _ in range(30):
        queue.write(b"x" * 10_000)
    assert queue.finish(envelope(b"s", [b"r"])) == (0, b"")
    argv, size, sealed, descriptors, same, env = ast.literal_eval(Path(f"{told}.told").read_text())
    assert argv == [str(told)]
    assert (size, sealed) == (300_000, b"Fs\0Tr\0\0")
    assert same, "fd 4 and fd 6 are one pipe"
    assert set(descriptors) - passed_on_by_us <= {0, 1, 2, 4, 6}, "nothing else is inherited"
    assert env[b"A"] == b"\xff"


def test_abandoned(told: Path) -> None:
    queue = qmailqueue.start(os.fsencode(told), {})
    queue.write(b"half a mess")
    queue.abandon()
    assert "b''" in Path(f"{told}.told").read_text(), "no envelope at all"


def test_a_client_that_has_left_gets_no_envelope(told: Path) -> None:
    queue = qmailqueue.start(os.fsencode(told), {})
    queue.write(b"x")
    status, _ = queue.finish(envelope(b"s", [b"r"]), lambda: False)
    assert status != 0
    assert "\\x00\\x00'" not in Path(f"{told}.told").read_text()


@pytest.mark.parametrize("path", ["/nonexistent", "/", "/dev/null", "", "with\0nul"])
def test_no_program(path: str) -> None:
    queue = qmailqueue.start(path.encode(), {})
    assert queue.pid == 0
    queue.write(b"x" * 300_000)
    assert queue.finish(envelope(b"s", [b"r"])) == (qmailqueue.CANNOT_EXECUTE, b"")


def test_no_pipe_to_be_had() -> None:
    """Out of descriptors: QueueUnavailable, and none is left open."""
    before = open_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room_for_five = [fd for fd in range(soft) if fd not in before][4] + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (room_for_five, hard))
    try:
        with pytest.raises(qmailqueue.QueueUnavailable):
            qmailqueue.start(b"/nonexistent", {})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_descriptors() == before


def open_descriptors() -> set[int]:
    with os.scandir("/proc/self/fd") as folder:
        numbers = {int(entry.name) for entry in folder}
    return {fd for fd in numbers if os.path.exists(f"/proc/self/fd/{fd}")}


@pytest.mark.parametrize("body", ["os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 11)", "os.abort()"])
def test_death_by_a_signal(tmp_path: Path, body: str) -> None:
    path = tmp_path / "queue"
    path.write_text(
        f"#!{sys.executable} -IS\nimport os, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n{body}\n"
    )
    path.chmod(0o755)
    queue = qmailqueue.start(os.fsencode(path), {})
    status, _ = queue.finish(envelope(b"s", [b"r"]))
    assert status == -1
    assert refusal(status, b"").code == 451
