"""SIGHUP in the resident mode: become the new code, the same process on the same sockets, with its sessions.

    restart.missing                 modules that this start could not load: a new one may miss no more
    restart.attempt(fds)            a process of its own finds out whether the new start works
    restart.trial                   its pid, 0 without one; whoever reaps it asks `works`
    restart.give_up()               end the trial, whatever it would say
    restart.afresh(fds, sessions)   become the new code; returns only where that cannot be done

Sessions (pid -> address) are handed over in the environment, and so is the word that this is only a trial.
"""

from __future__ import annotations

import posix
import sys

from ..control.files import reason
from ..logs.log import ACCOUNT, Log
from ..net.standard import silence_log
from ..programs import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

CHILD = b"QMAIL_SMTPD_CHILD_"  # CHILD + PID = ADDRESS for each session that goes on
TRIAL = b"QMAIL_SMTPD_TRIAL"  # set for the process that only tries the new start: how many modules may be missing


def is_trial() -> int | None:
    """How many modules may be missing if this process only tries a new start, else None."""
    word = posix.environ.pop(TRIAL, None)
    return None if word is None else int(word)


def handed_over() -> dict[int, bytes]:
    """The sessions of the process that we were: pid -> address."""
    names = [name for name in posix.environ if name.startswith(CHILD)]
    return {int(name[len(CHILD) :]): posix.environ.pop(name) for name in names}


class Restart:
    """See the module's text. `syslog`: fd 2 was the socket, as inetd has it."""

    def __init__(self, log: Log, syslog: bool) -> None:
        self.missing = 0
        self.trial = 0
        self._log = log
        self._syslog = syslog

    def attempt(self, fds: Collection[int]) -> None:
        try:
            self.trial = process.branch(lambda: self._try(fds), lambda error: None)
        except OSError as error:
            self._log.line(b"SIGHUP: cannot fork: ", reason(error))

    def _try(self, fds: Collection[int]) -> int:
        """In a process of its own, whose status says whether the new start works."""
        self._execute(fds, {TRIAL: b"%d" % self.missing})
        return 1

    def interrupt(self) -> None:
        """It may have read what has changed since; its end is an event like any other."""
        posix.kill(self.trial, process.SIGKILL)

    def give_up(self) -> None:
        if self.trial:
            self.interrupt()
            process.wait(self.trial)
            self.trial = 0

    def works(self, status: int) -> bool:
        """What the end of the trial says."""
        self.trial = 0
        return status == 0

    def fails(self) -> None:
        self._log.line(b"SIGHUP: the new start fails, going on with the old one")

    def afresh(self, fds: Collection[int], sessions: dict[int, bytes]) -> None:
        self._log.write(ACCOUNT, b"SIGHUP: starting afresh")
        try:
            self._execute(fds, {CHILD + b"%d" % pid: ip for pid, ip in sessions.items()})
        except OSError as error:
            self._log.line(b"SIGHUP: cannot start afresh: ", reason(error))
        if self._syslog:
            silence_log()

    def _execute(self, fds: Collection[int], more: dict[bytes, bytes]) -> None:
        """Become the new code, with everything as a super-server gives it. Returns only by raising OSError."""
        env = {**posix.environ, **more}
        if b"LISTEN_PID" in env:
            env[b"LISTEN_PID"] = b"%d" % posix.getpid()
        for fd in fds:
            posix.set_inheritable(fd, True)
        if self._syslog:  # so that it finds out by itself
            posix.dup2(next(iter(fds)), 2)
        posix.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)
