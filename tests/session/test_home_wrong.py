"""A qmail home that is wrong: the client gets the reply of SPEC section 1, the log names the file; no traceback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.dialog import Dialog
from ..support.home import Home
from ..support.scenario import public_copy

NOBODY = 65534


def refused(smtp: Dialog, named: str) -> None:
    """The one reply is 421 (#4.3.0), and the log names what is wrong."""
    assert [reply[:3] for reply in smtp.replies] == ["421"], smtp.replies
    assert "(#4.3.0)" in smtp.replies[0]
    assert smtp.exit == 1
    assert [line for line in smtp.log.splitlines() if named in line], smtp.log


def session(home: Home, *commands: str, **env: str) -> Dialog:
    """Say all of it, whatever the answers are."""
    with Dialog(home, **{"LOGLEVEL": "1", **env}) as smtp:
        smtp.say("".join(command + "\r\n" for command in commands))
    return smtp


# The home itself


def test_no_home(home: Home) -> None:
    path = f"{home.path}/nowhere"
    refused(session(home, "QUIT", QMAILHOME=path), path)


def test_the_home_is_a_file(home: Home) -> None:
    path = str(home.control("me", "mx.example.org\n"))
    refused(session(home, "QUIT", QMAILHOME=path), path)


def test_no_control_folder(home: Home) -> None:
    shutil.rmtree(home.path / "control")
    refused(session(home, "QUIT"), "control/me")


def test_no_me(home: Home) -> None:
    (home.path / "control" / "me").unlink()
    refused(session(home, "QUIT"), "control/me")


def test_level_0_says_nothing(home: Home) -> None:
    (home.path / "control" / "me").unlink()
    smtp = session(home, "QUIT", LOGLEVEL="0")
    assert smtp.codes == [421]
    assert smtp.log == ""


# Control files

FILES = [
    *("me", "smtpgreeting", "smtpclustercookie", "timeoutsmtpd", "databytes", "localiphost", "locals", "rcpthosts"),
    *("badmailfrom", "badmailfrom-unknown", "badmailpatterns", "goodmailfrom", "relaymailfrom", "badrcptto"),
    *("goodmailaddr", "signatures", "rbllist", "smtpcert", "smtpcheckers"),
    *("locals.cdb", "rcpthosts.cdb", "morercpthosts.cdb"),
]


def a_directory(path: Path) -> None:
    path.mkdir()


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def below_a_file(path: Path) -> None:
    path.symlink_to("me-too/file")
    (path.parent / "me-too").write_text("no folder\n")


@pytest.mark.parametrize("how", [a_directory, a_link_to_itself, below_a_file], ids=lambda how: how.__name__)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read(home: Home, name: str, how: Callable[[Path], None]) -> None:
    path = home.path / "control" / name
    path.unlink(missing_ok=True)
    how(path)
    refused(session(home, "QUIT", RBL="", REJECTEXEC=""), f"control/{name}")


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_permission(public_folder: Path, name: str) -> None:
    """As nobody, if we are root, who may read everything."""
    home = Home(public_folder / f"without-{name}")
    home.control(name, "x\n").chmod(0)
    program = public_copy(public_folder) / "bin" / "qmail-smtpd"
    with Dialog(home, program, NOBODY if os.getuid() == 0 else None, LOGLEVEL="1", RBL="", REJECTEXEC="") as smtp:
        smtp.say("QUIT\r\n")
    refused(smtp, f"control/{name}")


@pytest.mark.parametrize("name", [name for name in FILES if name != "me"])
def test_a_dangling_link_is_a_missing_file(home: Home, name: str) -> None:
    """As in every program of the family; what is missing has its default, and the default is never an open relay."""
    path = home.path / "control" / name
    path.unlink(missing_ok=True)
    path.symlink_to("nonexistent")
    smtp = session(home, "MAIL FROM:<s@sender.example>", "RCPT TO:<u@elsewhere.example>", "QUIT")
    assert smtp.codes == [220, 250, 553, 221]


def test_me_a_dangling_link(home: Home) -> None:
    path = home.path / "control" / "me"
    path.unlink()
    path.symlink_to("nonexistent")
    refused(session(home, "QUIT"), "control/me")


@pytest.mark.parametrize(
    "raw", [b"", b"x" * 2047, b"\xff" * 4096, b"\0" * 1000, b"#!/bin/sh\n"], ids=lambda raw: str(len(raw))
)
@pytest.mark.parametrize("name", ["locals.cdb", "rcpthosts.cdb", "morercpthosts.cdb"])
def test_a_corrupt_database_accepts_nobody(home: Home, name: str, raw: bytes) -> None:
    home.control(name, raw)
    smtp = session(home, "MAIL FROM:<s@sender.example>", "RCPT TO:<u@elsewhere.example>", "DATA", "QUIT")
    assert smtp.codes[-1] == 421
    assert 250 not in smtp.codes[2:]
    assert smtp.exit == 1
    assert f"control/{name}" in smtp.log


@pytest.mark.parametrize("line", ["rbl.example", "rbl.example reject", "rbl.example reject any", "\t \trbl.example"])
def test_a_short_line_in_rbllist(home: Home, line: str) -> None:
    home.control("rbllist", f"# BASE ACTION MATCHON MESSAGE\n{line}\n")
    refused(session(home, "QUIT", RBL=""), "control/rbllist")
    assert session(home, "QUIT").codes == [220, 221], "without RBL nobody asks"


# The queue program

QUEUE = "bin/qmail-queue"


def no_queue_program(path: Path) -> None:
    path.unlink()


def not_executable(path: Path) -> None:
    path.chmod(0o644)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def an_empty_file(path: Path) -> None:
    path.write_text("")


def no_program_at_all(path: Path) -> None:
    path.write_text("just some text\n")


def an_interpreter_that_is_missing(path: Path) -> None:
    path.write_text("#!/nonexistent/python3\n")


def links_in_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


WRONG_QUEUES = [
    *(no_queue_program, not_executable, a_folder, an_empty_file, no_program_at_all),
    *(an_interpreter_that_is_missing, links_in_a_circle),
]


@pytest.mark.parametrize("how", WRONG_QUEUES, ids=lambda how: how.__name__)
def test_no_queue_program_to_be_had(home: Home, how: Callable[[Path], None]) -> None:
    """Told after the final dot, as exit 120; the session goes on."""
    how(home.path / QUEUE)
    with Dialog(home, LOGLEVEL="1") as smtp:
        smtp.ask(None, 220)
        smtp.ask("MAIL FROM:<s@sender.example>", 250)
        smtp.ask("RCPT TO:<u@example.org>", 250)
        smtp.ask("DATA", 354)
        smtp.say("Subject: x\r\n\r\n" + "x" * 200_000 + "\r\n.\r\n")
        assert "(#4.3.0)" in smtp.ask(None, 451)
        smtp.ask("QUIT", 221)
    assert QUEUE in smtp.log
    assert smtp.exit == 0


def test_a_wrong_qmailqueue(home: Home) -> None:
    with Dialog(home, LOGLEVEL="1", QMAILQUEUE="/nonexistent/queue") as smtp:
        smtp.ask(None, 220)
        smtp.say("MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
    assert smtp.codes == [220, 250, 250, 354, 451, 221]
    assert "/nonexistent/queue" in smtp.log
    assert not home.queued()


def test_the_queue_program_is_not_looked_for_in_path(home: Home, tmp_path: Path) -> None:
    (tmp_path / "true").symlink_to("/bin/true")
    with Dialog(home, QMAILQUEUE="true", PATH=f"{tmp_path}:/bin:/usr/bin") as smtp:
        smtp.say("MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
    assert smtp.codes == [220, 250, 250, 354, 451, 221]


# Descriptors


def test_a_closed_log(home: Home) -> None:
    """A log that nobody reads costs no message."""
    import subprocess

    from ..support.home import codes
    from ..support.processes import BIN

    said = b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
    argv = ["/bin/sh", "-c", f'exec "{BIN}/qmail-smtpd" 2>&-']
    done = subprocess.run(argv, input=said, stdout=subprocess.PIPE, env=home.env(LOGLEVEL="4"), timeout=60)
    assert codes(done.stdout) == [220, 250, 250, 354, 250, 221]
    assert len(home.queued()) == 1
