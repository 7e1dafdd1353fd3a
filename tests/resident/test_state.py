"""What a session can change in its process is as before for the next one, or there is no next one."""

from __future__ import annotations

import os
import posix
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from qmail_smtpd.resident import state
from qmail_smtpd.resident.worker import KEPT

from ..support.activation import Resident
from ..support.home import Home
from ..support.processes import BIN, ROOT, program
from .test_signals import greeted

PACKAGE = ROOT / "qmail_smtpd"
# What a session does, and what is told of it: nothing where it can be put back.
CHANGES = {
    "os.chdir('/')": "",
    "os.umask(0o777)": "",
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)": "",
    "signal.signal(signal.SIGUSR2, print)": "",
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])": "",
    "signal.alarm(1)": "",
    "signal.setitimer(signal.ITIMER_REAL, 1)": "",
    "signal.set_wakeup_fd(os.open('/dev/null', os.O_RDWR | os.O_NONBLOCK)); os.close(signal.set_wakeup_fd(-1))": "",
    "resource.setrlimit(resource.RLIMIT_NOFILE, (99, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))": "",
    "os.environ['NEW'] = 'x'": "",
    "os.environ.pop('OLD')": "",
    "posix.environ[b'NEW'] = b'x'": "",
    "sys.path.append('/nowhere')": "",
    "sys.unraisablehook = print": "",
    "sys.stdout = None": "",
    "gc.disable()": "",
    "gc.set_threshold(1)": "",
    "os.waitid(os.P_PID, os.spawnv(os.P_NOWAIT, '/bin/true', ['true']), os.WEXITED | os.WNOWAIT)": "",
    "open('/dev/null')": "",  # garbage at once
    "loop = []; loop.append((loop, open('/dev/null'))); del loop": "",  # garbage when it is looked for
    "kept.append(open('/dev/null'))": "descriptors changed",
    "posix.waitpid = None": "its children",
    "os.close(spare)": "descriptors changed",
    "os.close(spare); os.open('/proc', os.O_RDONLY)": "descriptors changed",
    "_thread.start_new_thread(time.sleep, (60,)); all(iter(lambda: not _thread._count(), False))": "threads changed",
    "resource.setrlimit(resource.RLIMIT_NPROC, (9, 9))": "limits",
    "os.setpgid(0, 0)": "its user or group changed",
}
# Those of them that happen where no code of a site has run.
OURS = ("os.chdir", "signal.alarm", "os.environ", "posix.environ", "os.waitid", "open(", "loop", "kept", "_thread")
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import _thread, gc, os, posix, resource, signal, time
from qmail_smtpd.resident.state import State
kept = []
spare = os.open("/dev/null", os.O_RDONLY)
os.environ["OLD"] = "x"
def facts():
    mask = os.umask(0); os.umask(mask)
    return (os.getcwd(), mask, [signal.getsignal(n) for n in range(1, 32)], signal.pthread_sigmask(0, []),
            signal.getitimer(signal.ITIMER_REAL), resource.getrlimit(resource.RLIMIT_NOFILE), dict(os.environ),
            dict(posix.environ), list(sys.path), sys.unraisablehook, sys.stdout, gc.isenabled(), gc.get_threshold())
state = State("qmail_smtpd", ["logs.log"])
before = facts()
exec({change!r})
trouble = state.restore()
assert trouble or facts() == before, facts()
try:
    from os import waitpid
    waitpid(-1, os.WNOHANG)
    trouble += b"a child is left"
except ChildProcessError:
    pass
sys.__stdout__.write(trouble.decode())
sys.__stdout__.flush()
os._exit(0)
"""


@pytest.mark.parametrize("change", list(CHANGES))
def test_what_can_be_put_back_is(change: str) -> None:
    restored(change, PROGRAM)


@pytest.mark.parametrize("change", [change for change in CHANGES if change.startswith(OURS)])
def test_what_our_own_code_may_change_is_always_looked_at(change: str) -> None:
    restored(change, PROGRAM.replace("restore()", "restore(foreign=False)"))


def restored(change: str, program: str) -> None:
    command = [sys.executable, "-IS", "-c", program.format(root=str(ROOT), change=change)]
    # A limit of processes means nothing to root, who may also raise it again: so as another user, if we are root.
    other = "NPROC" in change and os.getuid() == 0
    user = {"user": 65534, "group": 65534, "extra_groups": []} if other else {}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **user, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(CHANGES[change]) and bool(done.stdout) == bool(CHANGES[change])


@pytest.mark.parametrize("told", [True, False])
def test_how_many_descriptors_are_open(monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    """Linux tells by the size of the folder from 6.2 on."""
    if not told:
        unsized = SimpleNamespace(**{**vars(posix), "stat": lambda path: SimpleNamespace(st_size=0)})
        monkeypatch.setattr(state, "posix", unsized)
    before = state._count()
    with open("/dev/null"), open("/dev/null"):
        assert state._count() == before + 2 == len(state.descriptors())
    assert state._count() == before


def test_without_proc_no_state_can_be_compared(home: Home, mode: str) -> None:
    """As in a changed root: each session has a process of its own, and the log says why."""
    inside = 'mount -t tmpfs none /proc && exec "$0"'
    argv = (program("unshare"), "-m", program("sh"), "-c", inside, str(BIN / "qmail-smtpd"))
    with Resident(home, argv=argv) as resident:
        for _ in range(2):
            with greeted(resident) as client:
                client.deliver()
                client.quit()
        assert resident.log.count("no /proc: each session has a process of its own") == (mode != "1\n")
    assert len(home.queued()) == 2


def test_what_modules_keep_is_listed() -> None:
    """A value at the top of a module that its functions change: by `global`, or in place."""
    rooms = ("checkers", "control", "directory", "filters", "logs", "mailauth", "net", "programs", "session", "smtp")
    kept = re.compile(r"^_?[a-z]\w*(: .*)? = (\{\}|\[\]|set\(\)|Kept\(\))|^ +global ", re.MULTILINE)
    files = [path for room in rooms for path in (PACKAGE / room).glob("*.py")] + list(PACKAGE.glob("*.py"))
    found = {str(path.relative_to(PACKAGE).with_suffix("")) for path in files if kept.search(path.read_text())}
    assert found and found <= {name.replace(".", "/") for name, _ in KEPT}


UNRULY = """
import os, posix, signal, sys
from qmail_smtpd.checker import Checker
class Unruly(Checker):
    def rcpt(self, session, event):
        if session.transaction.sender == b"unruly@sender.example":
            os.environ["LEAK"] = "x"
            posix.environ[b"LEAK"] = b"x"
            session.env[b"LEAK"] = b"x"
            os.chdir("/tmp")
            os.umask(0)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
            sys.path[:] = []
            os.open("/dev/null", os.O_RDONLY)
            raise SystemExit("and leaves")
def setup(config):
    return Unruly()
"""
TELLS = """#!/bin/sh
exec 3>&2
cat >/dev/null; cat <&1 >/dev/null
{ umask; pwd; ulimit -a; env; grep Sig /proc/self/status; ls /proc/self/fd; } | grep -v '^_=\\|PORT\\|SigQ' >> told
echo . >> told
"""


def test_the_queue_program_finds_what_the_first_one_found(home: Home) -> None:
    """Whatever a checker did, and left undone, in the session before: a client of the same address, at the same port of
    ours, makes the program see the same."""
    home.program("qmail-queue", TELLS)
    (home.path / "unruly.py").write_text(UNRULY)
    home.control("smtpcheckers", "unruly\n")
    told: Path = home.path / "told"
    with Resident(home) as resident:
        for _ in range(3):
            with greeted(resident) as client:
                client.ask("MAIL FROM:<s@sender.example>", 250)
                client.ask("RCPT TO:<u@example.org>", 250)
                client.ask("DATA", 354)
                client.ask("x: y\r\n\r\n.", 250)
                client.quit()
            resident.wait_for_no_sessions()
            with greeted(resident) as client:
                client.ask("MAIL FROM:<unruly@sender.example>", 250)
                client.ask("RCPT TO:<u@example.org>", 451)
                client.socket.close()
            resident.wait_for_no_sessions()
    first, *others = told.read_text().split(".\n")[:-1]
    assert f"{home.path}\n" in first and "SigBlk" in first and "LEAK" not in first
    assert others == [first, first]
