"""bin/queue-sendmail: what it makes of a message for a sendmail that records, fails, hangs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from ..support.processes import wait_until
from ..support.queue_program import Outcome, QueueProgram, envelope_of

MESSAGE = b"Subject: hello\n\nFirst line\n.\nlast line\n"
ENVELOPE = envelope_of(b"joe@example.net", b"ann@example.org")

RECORDER = """#!/usr/bin/python3 -IS
import json, os, sys
folder = os.path.dirname(__file__)
record = {"argv": sys.argv[1:], "message": sys.stdin.buffer.read().decode("latin1"),
          "env": dict(os.environ), "status": open("/proc/self/status").read(),
          "descriptors": [fd for fd in range(3, 20) if os.path.exists("/proc/self/fd/%d" % fd)]}
json.dump(record, open(folder + "/record", "w"))
"""


class Mta:
    """A sendmail of the test's own."""

    def __init__(self, folder: Path, text: str = RECORDER) -> None:
        self.folder = folder
        self.path = folder / "sendmail"
        self.path.write_text(text)
        self.path.chmod(0o755)

    def run(self, envelope: bytes = ENVELOPE, message: bytes = MESSAGE, error_pipe: int | None = 4) -> Outcome:
        with self.start(error_pipe) as running_program:
            running_program.message(message)
            running_program.envelope(envelope)
            return running_program.wait()

    def start(self, error_pipe: int | None = 4, prefix: tuple[str, ...] = ()) -> QueueProgram:
        env = {"SENDMAIL": str(self.path), "TMPDIR": str(self.folder), "MARK": "yes"}
        return QueueProgram("queue-sendmail", self.folder, env=env, error_pipe=error_pipe, prefix=prefix)

    def record(self) -> dict[str, object]:
        return dict(json.loads((self.folder / "record").read_text()))

    def called(self) -> bool:
        return (self.folder / "record").exists()


def sh(text: str) -> str:
    return f"#!/bin/sh\n{text}\n"


def test_message_and_envelope_reach_sendmail(tmp_path: Path) -> None:
    mta = Mta(tmp_path)
    envelope = envelope_of(b"joe@example.net", b"ann@example.org", b"-oQ/tmp@example.org", b"bob")
    assert mta.run(envelope) == Outcome(0, b"", b"")
    record = mta.record()
    assert record["argv"] == [
        "-i",
        "-f",
        "joe@example.net",
        "--",
        "ann@example.org",
        "-oQ/tmp@example.org",
        "bob",
    ]
    assert record["message"] == MESSAGE.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["record", "sendmail", "stderr"]


def test_what_sendmail_inherits(tmp_path: Path) -> None:
    mta = Mta(tmp_path)
    assert mta.run().code == 0
    record = mta.record()
    assert record["env"]["MARK"] == "yes"  # type: ignore[index]
    status = dict(line.split(":\t") for line in str(record["status"]).splitlines() if ":\t" in line)
    ignored = int(status["SigIgn"], 16)
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGALRM):
        assert not ignored >> (number - 1) & 1  # (a Python program ignores some itself)
    assert not {4, 6} & set(record["descriptors"])  # type: ignore[call-overload]


@pytest.mark.parametrize("sender", [b"", b"#@[]"])
def test_bounce(tmp_path: Path, sender: bytes) -> None:
    mta = Mta(tmp_path)
    assert mta.run(envelope_of(sender, b"ann@example.org")).code == 0
    assert mta.record()["argv"] == ["-i", "-f", "<>", "--", "ann@example.org"]


@pytest.mark.parametrize(
    ("address", "argument"),
    [
        (b"a, b@example.org", '"a, b"@example.org'),
        (b"root,x@example.org", '"root,x"@example.org'),
        (b'a"b\\@example.org', '"a\\"b\\\\"@example.org'),
        (b"<a>@example.org", '"<a>"@example.org'),
        (b"@example.org", '""@example.org'),
        (b"a(b)", '"a(b)"'),
        (b"ann@[192.0.2.1]", "ann@[192.0.2.1]"),
        (b"ann@[IPv6:2001:db8::1]", "ann@[IPv6:2001:db8::1]"),
        ("jürgen@bücher.example".encode(), "jürgen@bücher.example"),
    ],
)
def test_an_address_stays_one_address(tmp_path: Path, address: bytes, argument: str) -> None:
    mta = Mta(tmp_path)
    assert mta.run(envelope_of(address, address)).code == 0
    assert mta.record()["argv"] == ["-i", "-f", argument, "--", argument]


@pytest.mark.parametrize(
    "address",
    [
        b"x@evil.example,root.example.org",
        b"x@example.org root",
        b"x@example.org>",
        b"x@a:b;c",
        b"x@[192.0.2.1],root",
        b"x@[a]b]",
        b"x@",
        b"x\n@example.org",
        b"x\x7f@example.org",
        b"x@example\r.org",
    ],
)
def test_what_would_be_no_one_address_is_refused(tmp_path: Path, address: bytes) -> None:
    mta = Mta(tmp_path)
    for envelope in (
        envelope_of(b"joe@example.net", b"ann@example.org", address),
        envelope_of(address, b"ann"),
    ):
        outcome = mta.run(envelope)
        assert outcome.code == 82
        assert outcome.text.startswith(b"Dcannot pass on the address x")
        assert outcome.text.isascii() and outcome.text.decode().isprintable()
        assert mta.run(envelope, error_pipe=None).code == 31
    assert not mta.called()


def test_empty_recipient_is_refused(tmp_path: Path) -> None:
    mta = Mta(tmp_path)
    assert mta.run(b"Fjoe\0T\0\0").code == 82
    assert not mta.called()


@pytest.mark.parametrize("envelope", [ENVELOPE[:length] for length in range(len(ENVELOPE))])
def test_incomplete_envelope_never_reaches_sendmail(tmp_path: Path, envelope: bytes) -> None:
    mta = Mta(tmp_path)
    assert mta.run(envelope) == Outcome(54, b"", b"")
    assert not mta.called()


@pytest.mark.parametrize(
    ("envelope", "code"),
    [(b"Xjoe\0", 91), (b"Fjoe\0Xann\0\0", 91), (envelope_of(b"joe", b"a" * 1003), 11), (b"Fjoe\0\0", 91)],
)
def test_bad_envelope_never_reaches_sendmail(tmp_path: Path, envelope: bytes, code: int) -> None:
    mta = Mta(tmp_path)
    assert mta.run(envelope, error_pipe=None) == Outcome(code, b"", b"")
    assert not mta.called()


CODES = [
    *[(64, 81), (65, 31), (66, 54), (67, 31), (68, 31), (69, 71), (70, 81), (71, 71), (72, 55), (73, 53)],
    *[(74, 53), (75, 71), (76, 74), (77, 71), (78, 55), (1, 71), (127, 71), (255, 71)],
]


@pytest.mark.parametrize(("status", "code"), CODES)
def test_exit_codes(tmp_path: Path, status: int, code: int) -> None:
    assert Mta(tmp_path, sh(f"exit {status}")).run() == Outcome(code, b"", b"")
    outcome = Mta(tmp_path, sh(f"echo sendmail: no >&2; exit {status}")).run()
    assert outcome == Outcome(82, (b"D" if code == 31 else b"Z") + b"sendmail: no", b"")


def test_killed_sendmail(tmp_path: Path) -> None:
    assert Mta(tmp_path, sh("echo dying; kill -9 $$")).run() == Outcome(81, b"", b"")


def test_success_says_nothing(tmp_path: Path) -> None:
    assert Mta(tmp_path, sh("echo warning >&2; exit 0")).run() == Outcome(0, b"", b"")


@pytest.mark.parametrize("pipe", [4, 6])
def test_both_conventions_of_the_error_pipe(tmp_path: Path, pipe: int) -> None:
    mta = Mta(tmp_path, sh("echo first; echo ' last'; echo; exit 75"))
    assert mta.run(error_pipe=pipe) == Outcome(82, b"Zlast", b"")
    assert mta.run(error_pipe=None) == Outcome(71, b"", b"")


def test_error_text_is_one_short_printable_line(tmp_path: Path) -> None:
    text = Mta(tmp_path, sh(r"""printf '451 forged\r\n\377a\033[1mb\tc%0500d\r\n\n' 0; exit 65""")).run().text
    assert text.startswith(b"Da [1mb c000") and len(text) == 255


def test_a_file_on_fd_4_is_not_taken_for_the_error_pipe(tmp_path: Path) -> None:
    mta = Mta(tmp_path, sh("echo no; exit 75"))
    precious = tmp_path / "precious"
    precious.write_text("")
    with mta.start(None, ("/bin/sh", "-c", f'exec 4<>{precious} 6>&4; exec "$@"', "sh")) as running_program:
        running_program.message(MESSAGE)
        running_program.envelope(ENVELOPE)
        assert running_program.wait().code == 71
    assert precious.read_text() == ""


def test_sendmail_that_cannot_be_run(tmp_path: Path) -> None:
    mta = Mta(tmp_path)
    mta.path.chmod(0o600)
    assert mta.run() == Outcome(82, b"Zcannot run sendmail: Permission denied", b"")
    mta.path.unlink()
    assert mta.run() == Outcome(82, b"Zcannot run sendmail: No such file or directory", b"")
    assert mta.run(error_pipe=None) == Outcome(71, b"", b"")


def test_sendmail_that_does_not_read(tmp_path: Path) -> None:
    assert Mta(tmp_path, sh("exec <&-; exit 0")).run(message=bytes(1_000_000)).code == 0


def test_many_recipients_are_one_call_and_too_many_are_none(tmp_path: Path) -> None:
    mta = Mta(tmp_path)
    everybody = [b"user%d@example.org" % number for number in range(10_000)]
    assert mta.run(envelope_of(b"joe", *everybody)).code == 0
    assert len(mta.record()["argv"]) == 10_004  # type: ignore[arg-type]
    (tmp_path / "record").unlink()
    outcome = mta.run(envelope_of(b"joe", *[b"a" * 1000] * 10_000))
    assert outcome == Outcome(82, b"Ztoo many recipients for one message; send it in parts", b"")
    assert not mta.called()


def test_delivery_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    outcome = Mta(tmp_path, sh('sleep 1000 & echo $! > "${0%/*}/background"; echo no; exit 75')).run()
    os.kill(int((tmp_path / "background").read_text()), signal.SIGKILL)
    assert outcome == Outcome(82, b"Zno", b"")


def test_termination_is_passed_on_and_the_answer_awaited(tmp_path: Path) -> None:
    text = sh('trap "exit 67" TERM; echo > "${0%/*}/up"; while :; do sleep 0.01; done')
    with Mta(tmp_path, text).start(None) as running_program:
        running_program.message(MESSAGE)
        running_program.envelope(ENVELOPE)
        wait_until(lambda: (tmp_path / "up").exists(), "sendmail runs")
        os.kill(running_program.pid, signal.SIGTERM)
        assert running_program.wait().code == 31


def test_termination_that_comes_while_sendmail_starts_is_not_lost(tmp_path: Path) -> None:
    mta = Mta(tmp_path, sh('trap "exit 67" TERM; kill -TERM "$PPID"; while :; do sleep 0.01; done'))
    late = "inject=clone,clone3,vfork:delay_exit=200000"  # microseconds between sendmail's start and our next step
    prefix = ("strace", "-qqo", "/dev/null", "-e", late, "/usr/bin/python3", "-ISB")
    with mta.start(4, prefix) as running_program:
        running_program.message(MESSAGE)
        running_program.envelope(ENVELOPE)
        assert running_program.wait().code == 31


def test_memory_does_not_grow_with_the_message(tmp_path: Path) -> None:
    mta = Mta(tmp_path, sh('wc -c > "${0%/*}/size"'))
    limit = ("prlimit", "--as=50000000", "/usr/bin/python3", "-ISB")
    with mta.start(4, limit) as running_program:
        running_program.message(bytes(100_000_000))
        running_program.envelope(ENVELOPE)
        assert running_program.wait().code == 0
    assert int((tmp_path / "size").read_text()) == 100_000_000


def test_full_disk(tmp_path: Path) -> None:
    mta = Mta(tmp_path)
    with mta.start(4, ("prlimit", "--fsize=100000", "/usr/bin/python3", "-ISB")) as running_program:
        running_program.message(bytes(200_000))
        running_program.envelope(ENVELOPE)
        assert running_program.wait() == Outcome(53, b"", b"")
    assert not mta.called()
