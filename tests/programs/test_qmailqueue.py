"""The queue program: what it is given, what its exit says (SPEC section 6)."""

from __future__ import annotations

import ast
import errno
import os
import posix
import resource
import select
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from qmail_smtpd.programs import qmailqueue
from qmail_smtpd.programs.qmailqueue import envelope
from qmail_smtpd.programs.queueexits import refusal

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
        (b"D" + b"x" * 300, b"554 " + b"x" * 300),
    ],
)
@pytest.mark.parametrize("status", [82, 88])
def test_text(text: bytes, line: bytes, status: int) -> None:
    assert refusal(status, text).line() == line


@pytest.mark.parametrize("text", [b"", b"D", b"Dx"])
@pytest.mark.parametrize("status", [82, 88])
def test_text_that_is_none(text: bytes, status: int) -> None:
    assert refusal(status, text).line().endswith(b"(#4.3.0)")


def test_only_two_exits_have_a_text() -> None:
    for status in {*range(1, 256)} - {82, 88}:
        assert b"own words" not in refusal(status, b"Dits own words").line()


def test_envelope() -> None:
    assert list(envelope(b"s@x", [b"a", b"b"])) == [b"Fs@x\0Ta\0Tb\0"]
    assert list(envelope(b"", [])) == [b"F\0"]
    many = list(envelope(b"s", [b"%d" % number for number in range(1000)]))
    assert len(many) > 3 and b"".join(many) == b"Fs\0" + b"".join(b"T%d\0" % number for number in range(1000))


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
    return Path(os.fsdecode(script(tmp_path, TELLS)))


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


READS = {
    "nothing": "pass",
    "a byte of the message": "take(0, 1)",
    "the message": "rest(0)",
    "the envelope": "rest(1)",
    "the envelope and half the message": "rest(1); take(0, 100)",
    "the message and all but one byte of the envelope": "rest(0); take(1, 6)",
    "the message, all but a byte": "take(0, 199); rest(1)",
}
READER = """#!/usr/bin/python3 -IS
import os
def rest(fd):
    while os.read(fd, 65536):
        pass
def take(fd, size):
    while size:
        size -= len(os.read(fd, size))
"""


@pytest.mark.parametrize("what", READS.values(), ids=READS)
def test_exit_0_of_one_that_has_not_read_all(tmp_path: Path, what: str) -> None:
    """Exit 0 is no promise of a program that was never told what to deliver (issue 10, point 4)."""
    queue = qmailqueue.start(script(tmp_path, READER + what + "\n"), {})
    queue.write(b"x" * 200)
    assert queue.finish(envelope(b"s", [b"r"])) == (qmailqueue.CANNOT_READ, b"")


@pytest.mark.parametrize(
    "what", ["rest(0); rest(1)", "rest(1); rest(0)", "rest(0); take(1, 7)", "take(0, 200); take(1, 7)"]
)
def test_exit_0_of_one_that_has(tmp_path: Path, what: str) -> None:
    """To the last byte; it need not see the ends."""
    queue = qmailqueue.start(script(tmp_path, READER + what + "\n"), {})
    queue.write(b"x" * 200)
    assert queue.finish(envelope(b"s", [b"r"])) == (0, b"")


@pytest.mark.parametrize(
    ("error", "reads", "status"),
    [
        (errno.ENOENT, "rest(0); rest(1)", 0),
        (errno.ENOENT, "take(0, 1)", 0),
        (errno.EMFILE, "rest(0); rest(1)", qmailqueue.CANNOT_READ),
    ],
)
def test_where_nobody_can_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, reads: str, status: int
) -> None:
    """Without /proc it is as it was; without a descriptor it is trouble of ours, and no acceptance."""

    def fails(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    queue = qmailqueue.start(script(tmp_path, READER + reads + "\n"), {})
    queue.write(b"x" * 200)
    monkeypatch.setattr(qmailqueue.posix, "open", fails)
    assert queue.finish(envelope(b"s", [b"r"]))[0] == status


def test_other_exits_stand(tmp_path: Path) -> None:
    queue = qmailqueue.start(script(tmp_path, "#!/bin/sh\nexit 31\n"), {})
    queue.write(b"x" * 200)
    assert queue.finish(envelope(b"s", [b"r"])) == (31, b"")


def test_a_long_text_keeps_its_letter(tmp_path: Path) -> None:
    says = "import sys\nrest(0); rest(1); os.write(4, b'D' + b'x' * 5000); sys.exit(88)\n"
    queue = qmailqueue.start(script(tmp_path, READER + says), {})
    status, text = queue.finish(envelope(b"s", [b"r"]))
    assert (status, len(text), refusal(status, text).code) == (88, 255, 554)


def test_no_descriptor_stays_open(told: Path) -> None:
    before = open_descriptors()
    for path in (os.fsencode(told), b"/nonexistent"):
        queue = qmailqueue.start(path, {})
        queue.finish(envelope(b"s", [b"r"]))
        qmailqueue.start(path, {}).abandon()
    assert open_descriptors() == before


def test_a_small_message_takes_two_writes(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write wakes the program, which costs as much as a command of the client."""
    written = []

    def write(fd: int, data: bytes) -> int:
        written.append(bytes(data))
        return os.write(fd, data)

    monkeypatch.setattr(qmailqueue, "posix", SimpleNamespace(**{**vars(posix), "write": write}))
    queue = qmailqueue.start(os.fsencode(told), {})
    for block in (b"Received: ...\n", b"Subject: x\n\n", b"text\n"):
        queue.write(block)
    assert queue.finish(envelope(b"s", [b"r"] * qmailqueue.PIECE)) == (0, b"")
    assert written == [b"Received: ...\nSubject: x\n\ntext\n", b"Fs\0" + b"Tr\0" * qmailqueue.PIECE + b"\0"]


@pytest.mark.parametrize("size", [999, qmailqueue.FULL - 1, qmailqueue.FULL, qmailqueue.FULL + 1, 3 * qmailqueue.FULL])
def test_a_message_in_pieces(tmp_path: Path, size: int) -> None:
    copies = script(tmp_path, f"#!/bin/sh\ncat > {tmp_path}/message; cat <&1 > {tmp_path}/envelope\n")
    message = bytes(range(256)) * 1000
    queue = qmailqueue.start(copies, {b"PATH": b"/usr/bin:/bin"})
    for start in range(0, len(message), size):
        queue.write(message[start : start + size])
    recipients = [b"%d" % number for number in range(3 * qmailqueue.PIECE)]
    assert queue.finish(envelope(b"s", recipients)) == (0, b"")
    assert (tmp_path / "message").read_bytes() == message
    assert (tmp_path / "envelope").read_bytes() == b"Fs\0" + b"".join(b"T%b\0" % one for one in recipients) + b"\0"


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
    assert "b''" in Path(f"{told}.told").read_text(), "no envelope at all, since it is written in one piece"


@pytest.mark.parametrize("size", [1, 15, 16, 17, 900])
def test_a_large_envelope_is_nearly_read_before_the_client_is_looked_for(
    told: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """While the program was busy with the message, and did not read the envelope, the client may have left."""
    written: list[bytes] = []

    def write(fd: int, data: bytes) -> int:
        written.append(bytes(data)[: (count := os.write(fd, data))])
        return count

    before: list[int] = []
    queue = qmailqueue.start(os.fsencode(told), {})
    monkeypatch.setattr(qmailqueue, "posix", SimpleNamespace(**{**vars(posix), "write": write}))
    sealed = envelope(b"s", [b"r" * size] * qmailqueue.PIECE)
    assert queue.finish(sealed, lambda: before.append(len(b"".join(written))) or True) == (0, b"")
    assert b"".join(written) == b"Fs\0" + (b"T" + b"r" * size + b"\0") * qmailqueue.PIECE + b"\0"
    assert len(b"".join(written)) - before[0] <= select.PIPE_BUF


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


def script(folder: Path, text: str) -> bytes:
    path = folder / "queue"
    path.write_text(text)
    path.chmod(0o755)
    return os.fsencode(path)


@pytest.mark.parametrize(
    ("body", "signal"), [("os.kill(os.getpid(), 9)", 9), ("os.kill(os.getpid(), 11)", 11), ("os.abort()", 6)]
)
def test_death_by_a_signal(tmp_path: Path, body: str, signal: int) -> None:
    text = f"#!{sys.executable} -IS\nimport os, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n{body}\n"
    queue = qmailqueue.start(script(tmp_path, text), {})
    status, _ = queue.finish(envelope(b"s", [b"r"]))
    assert status == -signal
    assert refusal(status, b"").code == 451
