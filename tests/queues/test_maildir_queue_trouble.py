"""bin/maildir-queue when disk, memory, time or folders run out, or somebody kills it: nothing is in new/."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from qmail_smtpd.queues import maildirqueue, queueprogram

from ..support.processes import ROOT, wait_until
from ..support.queue_program import Outcome, QueueProgram, envelope_of
from .maildir import ENVELOPE, MESSAGE, files, run


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    maildir = tmp_path / "Maildir"
    maildir.write_text("")
    assert run(tmp_path, MESSAGE, ENVELOPE).code == 61
    maildir.unlink()
    maildir.symlink_to(tmp_path / "nowhere")
    assert run(tmp_path, MESSAGE, ENVELOPE).code == 61
    maildir.unlink()
    for name, target, code in (("cur", "file", 62), ("tmp", "/proc", 63), ("new", "/dev/shm", 66)):
        maildir.mkdir()
        (maildir / "file").write_text("")
        (maildir / name).symlink_to(target)
        assert run(tmp_path, MESSAGE, ENVELOPE).code == code
        assert [path.name for path in files(tmp_path) if not path.is_symlink()] == ["file"]
        for path in maildir.iterdir():
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        maildir.rmdir()


@pytest.mark.parametrize("size", [99_000, 300_000])
def test_full_disk(tmp_path: Path, size: int) -> None:
    # 99,000 bytes fit into the spool file, but not together with the envelope.
    limit = ("prlimit", "--fsize=100000", "/usr/bin/python3", "-ISB")
    envelope = envelope_of(b"joe@example.net", *[b"user%d@example.org" % number for number in range(100)])
    assert run(tmp_path, b"x" * size, envelope, limit) == Outcome(53, b"", b"")
    assert files(tmp_path) == []


def test_memory_does_not_grow_with_the_message(tmp_path: Path) -> None:
    size = 100_000_000
    limit = ("prlimit", "--as=50000000", "/usr/bin/python3", "-ISB")
    assert run(tmp_path, bytes(size), ENVELOPE, limit) == Outcome(0, b"", b"")
    (file,) = files(tmp_path)
    assert file.stat().st_size > size
    file.unlink()


def test_out_of_memory(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    (tmp_path / "control/maxenvelope").write_text("0\n")  # else it would not take so much
    limit = ("prlimit", "--as=50000000", "/usr/bin/python3", "-ISB")
    everybody = envelope_of(b"", *[b"a" * 1000] * 50_000)
    assert run(tmp_path, MESSAGE, everybody, limit) == Outcome(51, b"", b"")
    assert files(tmp_path) == []


@pytest.mark.parametrize("closed", [0, 1])
def test_closed_descriptor(tmp_path: Path, closed: int) -> None:
    with QueueProgram("maildir-queue", tmp_path, closed=(closed,)) as program:
        program.message(MESSAGE)
        program.envelope(ENVELOPE)
        assert program.wait().code == 54
    assert files(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 71), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("stage", ["message", "envelope"])
def test_killed(tmp_path: Path, number: signal.Signals, code: int, stage: str) -> None:
    with QueueProgram("maildir-queue", tmp_path) as program:
        program.message(MESSAGE, end=stage == "envelope")
        program.envelope(ENVELOPE[:-1], end=False)
        wait_until(lambda: waits_in(program.pid, stage), f"it reads its {stage}")
        os.kill(program.pid, number)
        assert program.wait().code == code
    assert files(tmp_path) == []


def test_signals_of_the_terminal_do_not_end_it(tmp_path: Path) -> None:
    with QueueProgram("maildir-queue", tmp_path) as program:
        program.message(MESSAGE)
        wait_until(lambda: waits_in(program.pid, "envelope"), "it reads its envelope")
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(program.pid, number)
        program.envelope(ENVELOPE)
        assert program.wait().code == 0


def waits_in(pid: int, stage: str) -> bool:
    """Whether the program has the message in its nameless file and awaits more, or is back at its start."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.readlink(link).endswith("(deleted)") and link.stat().st_size == len(MESSAGE):
                position = int(Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().split()[1])
                return position == (len(MESSAGE) if stage == "message" else 0)
        except FileNotFoundError:
            pass  # closed while we looked
    return False


def test_message_that_never_ends(tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from qmail_smtpd.queues import maildirqueue, queueprogram\n"
        "queueprogram.MESSAGE_TIMEOUT = 1\n"
        "sys.exit(maildirqueue.main())"
    )
    with QueueProgram("maildir-queue", tmp_path, prefix=("/usr/bin/python3", "-IS", "-c", program)) as running:
        running.message(MESSAGE, end=False)
        assert running.wait().code == 52
    assert files(tmp_path) == []


def test_disk_before_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before it appears in new/, and new/ afterwards."""
    done = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(fd: int) -> None:
        done.append("sync " + Path(os.readlink(f"/proc/self/fd/{fd}")).parent.name.replace(tmp_path.name, ""))
        real_fsync(fd)

    def rename(source: bytes, target: bytes) -> None:
        done.append("move")
        real_rename(source, target)

    for name in ("tmp", "new", "cur"):
        (tmp_path / name).mkdir()
    message = os.open(tmp_path / "message", os.O_RDWR | os.O_CREAT)
    monkeypatch.setattr(queueprogram, "point_of_no_return", lambda: None)
    monkeypatch.setattr("posix.fsync", fsync)
    monkeypatch.setattr("posix.rename", rename)
    maildirqueue.store(os.fsencode(tmp_path), [b"head"], message)
    assert done == ["sync tmp", "move", "sync "]


def test_folder_that_cannot_be_synced_takes_the_message_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: bytes) -> None:
        raise OSError(5, "Input/output error")

    for name in ("tmp", "new", "cur"):
        (tmp_path / name).mkdir()
    message = os.open(tmp_path / "message", os.O_RDWR | os.O_CREAT)
    monkeypatch.setattr(queueprogram, "point_of_no_return", lambda: None)
    monkeypatch.setattr(maildirqueue, "sync_folder", broken)
    with pytest.raises(queueprogram.Failure) as failure:
        maildirqueue.store(os.fsencode(tmp_path), [b"head"], message)
    assert failure.value.code == 53
    assert list((tmp_path / "new").iterdir()) == list((tmp_path / "tmp").iterdir()) == []
