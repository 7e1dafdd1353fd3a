"""Held messages are bounded in memory, may find no room on the disk, and leave nothing when their client has gone."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.dialog import Dialog
from ..support.held_site import ENVELOPE, LARGE, LOOKS, MESSAGE, SAID, STORED, holds, queued, smtp, untraced
from ..support.home import Home, codes
from ..support.peak import Peak
from ..support.processes import BIN, program, wait_until
from ..support.site_checker import write

# The disk


def limited(home: Home, size: int, text: str, **env: str) -> bytes:
    """The output of a session in which no file can be larger than `size`; and then the log."""
    argv = [program("prlimit"), f"--fsize={size}", str(BIN / "qmail-smtpd")]
    session = subprocess.run(argv, input=text.encode(), capture_output=True, env=home.env(**env), timeout=60)
    assert b"Traceback" not in session.stderr
    return session.stdout + session.stderr


NO_ROOM = ENVELOPE + LARGE + ".\r\n" + SAID


def test_a_disk_that_is_full(home: Home, tmp_path: Path) -> None:
    """451 after the dot, nothing queued, nothing left, and the next message is welcome."""
    write(home, LOOKS)
    said = limited(home, 400_000, NO_ROOM, TMPDIR=str(tmp_path), LOGLEVEL="1")
    assert codes(said.partition(b"qmail-smtpd ")[0]) == [220, 250, 250, 250, 354, 451, 250, 250, 250, 354, 250, 221]
    assert f"cannot keep a message in {tmp_path}: File too large".encode() in said
    assert untraced(queued(home).message) == b"<>\n" + STORED
    assert os.listdir(tmp_path) == ["home"]


@pytest.mark.parametrize("folder", ["/no/such/folder", "/dev/null", "/proc"])
@pytest.mark.parametrize("shadow", ["", "ours"])
def test_a_folder_that_cannot_be_written_to(home: Home, folder: str, shadow: str) -> None:
    """Also if the only check that wanted to see it has no say: what was not kept cannot be queued."""
    write(home, LOOKS)
    session = smtp(home, NO_ROOM, TMPDIR=folder, SHADOW=shadow)
    assert codes(session.stdout) == [220, 250, 250, 250, 354, 451, 250, 250, 250, 354, 250, 221]
    assert b"(#4.3.0)" in session.stdout
    assert f"cannot keep a message in {folder}".encode() in session.stderr
    assert untraced(queued(home).message) == b"<>\n" + STORED


def test_no_room_for_another_body(home: Home, tmp_path: Path) -> None:
    holds(
        home,
        "edits.add_top(b'X', b''); edits.replace_body(block for _ in range(9) for block in transaction.held.body())",
    )
    said = limited(home, 700_000, ENVELOPE + LARGE + ".\r\nQUIT\r\n", TMPDIR=str(tmp_path), LOGLEVEL="1")
    assert b"\r\n451 " in said and b"checker ours failed at message: SpoolError" in said
    assert home.queued() == []


def test_a_file_that_can_no_longer_be_read(home: Home) -> None:
    """The queue program has some of the message by then: it sees it end without an envelope, at once."""
    holds(home, "import os\nos.truncate(transaction.held.spool._file, 300_000)")
    with Dialog(home, LOGLEVEL="1") as dialog:
        dialog.say(ENVELOPE + LARGE + ".\r\n")
        for _ in range(5):
            dialog.hear()
        dialog.ask(None, 451)
        wait_until(lambda: list((home.path / "queued").glob("*.json")), "the queue program has ended")
        dialog.ask("QUIT", 221)
    assert home.queued() == []
    assert "the file is shorter than it was" in dialog.log


def test_what_was_handed_over_takes_no_more_room(home: Home, tmp_path: Path) -> None:
    """Files that the session has open when the next message is looked at: that of this one."""
    look = """
import os
session.log.write(0, b"open: %d" % sum(os.path.islink(f"/proc/self/fd/{fd}") for fd in range(3, 50)))
edits.replace_body(transaction.held.body())
return reject() if len(transaction.recipients) > 1 else None
"""
    holds(home, look)
    one = (ENVELOPE + LARGE + ".\r\n").replace("RCPT TO:<v@example.org>\r\n", "")
    session = smtp(home, one + ENVELOPE + LARGE + ".\r\n" + one + "QUIT\r\n", TMPDIR=str(tmp_path))
    assert session.stderr.count(b"open: 1\n") == 3, session.stderr
    assert len(home.queued()) == 2


# The memory


def test_memory_does_not_grow_with_the_message(home: Home, tmp_path: Path) -> None:
    """Looked at twice, and given another body: three megabytes are the bound, 60 MB against 1 MB."""
    holds(
        home,
        """
size = sum(map(len, transaction.held.body()))
edits.replace_body(block.upper() for block in transaction.held.body())
edits.add_top(b"X-Size", b" %d" % size)
""",
    )
    peak = Peak(home, tmp_path)
    small, large = peak.of(1), peak.of(60)
    assert large - small < 3 * 1024, (small, large)


# The client

STAGES = {"in memory": MESSAGE, "in a file": LARGE + LARGE}


@pytest.fixture
def waiting(home: Home) -> Iterator[Home]:
    """A check that says it is there and waits for `go`; a queue program that tells that it was started."""
    home.program("qmail-queue", "#!/bin/sh\ntouch started\ncat >/dev/null\nexec head -c 9999 <&1 >envelope\n")
    holds(
        home,
        """
import os, time
open("asked", "w").close()
end = time.monotonic() + 60
while not os.path.exists("go") and time.monotonic() < end:
    time.sleep(0.005)
""",
    )
    yield home


@pytest.mark.parametrize("text", STAGES.values(), ids=STAGES)
@pytest.mark.parametrize("deed", [Dialog.leave, Dialog.half_close, Dialog.kill], ids=lambda deed: deed.__name__)
def test_a_client_that_goes_away_leaves_nothing(waiting: Home, tmp_path: Path, text: str, deed: object) -> None:
    with Dialog(waiting, TMPDIR=str(tmp_path)) as dialog:
        dialog.say(ENVELOPE + text)
        for _ in range(5):
            dialog.hear()
        deed(dialog)  # type: ignore[operator]
    assert dialog.exit == (-signal.SIGKILL if deed is Dialog.kill else 1)
    assert not (waiting.path / "asked").exists() and not (waiting.path / "started").exists()
    assert os.listdir(tmp_path) == ["home"]


def test_a_client_that_goes_away_while_the_checks_look(waiting: Home, tmp_path: Path) -> None:
    """It did not hear that its message is queued and will send it again: the envelope stays incomplete."""
    with Dialog(waiting, TMPDIR=str(tmp_path), LOGLEVEL="2") as dialog:
        dialog.say(ENVELOPE + LARGE + ".\r\n")
        wait_until((waiting.path / "asked").exists, "the check looks at the message")
        dialog.leave()
        (waiting.path / "go").touch()
    assert "message queued" not in dialog.log
    assert not (waiting.path / "envelope").read_bytes().endswith(b"\0\0")
    assert os.listdir(tmp_path) == ["home"]
