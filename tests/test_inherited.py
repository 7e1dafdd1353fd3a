"""What a parent can leave to a program in bin/: signals, masks and descriptors change nothing (issue 10, point 3)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .support.home import Home, codes
from .support.processes import BIN

MAIL = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"
ALL_WELL = [220, 250, 250, 354, 250, 221]
PROGRAMS = sorted(path.name for path in BIN.iterdir())


def ignoring(*numbers: int) -> Callable[[], None]:
    def before_exec() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return before_exec


def blocking(*numbers: int) -> Callable[[], None]:
    return lambda: signal.pthread_sigmask(signal.SIG_BLOCK, numbers) and None


def session(home: Home, before_exec: Callable[[], None], **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [BIN / "qmail-smtpd"],
        input=MAIL,
        capture_output=True,
        env=home.env(**env),
        timeout=60,
        preexec_fn=before_exec,
        check=False,
    )


LEGACIES = {
    "SIGCHLD ignored": ignoring(signal.SIGCHLD),
    "all ignored": ignoring(*(n for n in signal.valid_signals() if n not in (signal.SIGKILL, signal.SIGSTOP, 32, 33))),
    "SIGCHLD blocked": blocking(signal.SIGCHLD),
    "all blocked": blocking(*signal.valid_signals()),
}


@pytest.mark.parametrize("legacy", LEGACIES.values(), ids=LEGACIES)
def test_a_message_is_queued(home: Home, legacy: Callable[[], None]) -> None:
    home.control("smtpplugins", "[mail]\n:echo N\n")
    home.program("auth_smtp", "#!/bin/sh\nprintf 'Kuser\\0'\n")
    done = session(home, legacy)
    assert codes(done.stdout) == ALL_WELL, done.stderr
    assert len(home.queued()) == 1


@pytest.mark.parametrize("legacy", LEGACIES.values(), ids=LEGACIES)
def test_children_get_none_of_it(home: Home, legacy: Callable[[], None]) -> None:
    home.program("qmail-queue", "#!/bin/sh\ngrep ^Sig /proc/self/status >state\ncat >/dev/null; cat <&1 >/dev/null\n")
    assert codes(session(home, legacy).stdout) == ALL_WELL
    state = dict(line.split() for line in (home.path / "state").read_text().splitlines())
    assert int(state["SigBlk:"], 16) == 0
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGXFSZ):
        assert not int(state["SigIgn:"], 16) & 1 << (number - 1), number


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_settles_first(name: str) -> None:
    """In the launcher, or for the receiver in main.py, once it knows whether it is resident."""
    text = (BIN / name).read_text()
    if name == "qmail-smtpd":
        text = (BIN.parent / "qmail_smtpd" / "main.py").read_text()
    assert "settle(" in text
    wrapper = name in ("pbscheck", "pbsadd")
    assert ("PASSED" in text) == wrapper, "only who becomes another program passes descriptors on"


# Descriptors


def leaving(*fds: int) -> Callable[[], None]:
    """Open what was never meant for us."""

    def before_exec() -> None:
        for fd in fds:
            os.dup2(os.open("/etc/passwd", os.O_RDONLY), fd)

    return before_exec


LISTS = "ls -l /proc/$$/fd >fds.%s"


def test_no_child_gets_what_was_left_open(home: Home) -> None:
    home.control("smtpplugins", f"[mail]\n:{LISTS % 'plugin'}\n")
    home.program("auth_smtp", f"#!/bin/sh\n{LISTS % 'auth'}\nprintf 'Kuser\\0'\n")
    home.program("qmail-verify", f"#!/bin/sh\n{LISTS % 'verify'}\nprintf K\ncat >/dev/null\n")
    home.program("qmail-queue", f"#!/bin/sh\n{LISTS % 'queue'}\ncat >/dev/null; cat <&1 >/dev/null\n")
    home.control("rcpthosts", "")
    home.control("locals", "example.org\n")
    said = b"AUTH PLAIN AHVzZXIAcGFzcw==\r\n" + MAIL
    done = subprocess.run(
        [BIN / "qmail-smtpd"],
        input=said,
        capture_output=True,
        env=home.env(SMTPAUTH="", RCPTCHECK=""),
        timeout=60,
        pass_fds=(),
        close_fds=False,
        preexec_fn=leaving(3, 5, 17, 200),
        check=False,
    )
    assert codes(done.stdout) == [220, 235, *ALL_WELL[1:]], done.stderr
    for child in ("plugin", "auth", "verify", "queue"):
        assert "passwd" not in (home.path / f"fds.{child}").read_text(), child


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)], ids=str)
def test_closed_standard_descriptors(home: Home, closed: tuple[int, ...]) -> None:
    """No file, pipe or socket of ours takes their place: nothing but a whole session is ever queued."""

    def before_exec() -> None:
        for fd in closed:
            os.close(fd)

    home.program("qmail-queue", "#!/bin/sh\ncat >given; cat <&1 >/dev/null\n")
    done = session(home, before_exec, LOGLEVEL="4")
    if 0 in closed or 1 in closed:
        assert done.returncode == 1
        assert not (home.path / "given").exists()
    else:
        assert codes(done.stdout) == ALL_WELL
        assert b"qmail-smtpd" not in (home.path / "given").read_bytes().partition(b"\n\n")[2], "no log line in it"
        assert b"rcpt to" not in (home.path / "given").read_bytes()


@pytest.mark.parametrize("name", ["maildir-queue", "queue-sendmail"])
@pytest.mark.parametrize("closed", [0, 1])
def test_a_queue_program_without_its_input(home: Home, name: str, closed: int, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(b"Fa@b\0Tc@d\0\0")
    ours.close()
    with theirs:
        done = subprocess.run(
            [BIN / name],
            stdin=theirs if closed == 1 else None,
            stdout=theirs if closed == 0 else None,
            env={"HOME": str(tmp_path), "QMAILHOME": str(home.path)},
            preexec_fn=lambda: os.close(closed),
            cwd=tmp_path,
            check=False,
        )
    assert done.returncode == 54


def test_what_wrappers_pass_on(home: Home) -> None:
    """pbscheck becomes another program: it keeps its descriptors (UCSPI-TLS has some), and no signal is ignored."""
    home.control("pbsservers", "127.0.0.1\n")

    def before_exec() -> None:
        leaving(5)()
        LEGACIES["all ignored"]()

    done = subprocess.run(
        [BIN / "pbscheck", "/bin/sh", "-c", "grep ^Sig /proc/self/status; cat <&5"],
        env=home.env(NOPBS=""),
        capture_output=True,
        close_fds=False,
        preexec_fn=before_exec,
        check=False,
    )
    assert b"root:" in done.stdout, done
    ignored = int(done.stdout.partition(b"SigIgn:")[2].split()[0], 16)
    assert not ignored & 1 << (signal.SIGCHLD - 1) and not ignored & 1 << (signal.SIGPIPE - 1)
