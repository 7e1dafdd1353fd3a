"""SIGHUP in the resident mode: the process executes the new code, with the same pid, sockets and sessions.

    restart.missing                 how many modules this start could not load: a new start may not miss more
    restart.attempt(fds)            fork a process, the trial, that finds out whether a new start works
    restart.trial                   the pid of the trial, 0 without one
    restart.works(status)           whether the trial, which was reaped with this status, has succeeded
    restart.give_up()               end the trial without asking for its result
    restart.afresh(fds, sessions)   execute the new code; returns only if that fails

The sessions (pid -> address) are handed over in the environment, and so is TRIAL, which marks the trial.
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

CHILD = b"QMAIL_SMTPD_CHILD_"  # the variable CHILD + PID is the client's address, for each session that goes on
TRIAL = b"QMAIL_SMTPD_TRIAL"  # set for the trial: how many modules may be missing


def is_trial() -> int | None:
    """How many modules may be missing if this process is a trial, else None. Removes the variable."""
    word = posix.environ.pop(TRIAL, None)
    return None if word is None else int(word)


def handed_over() -> dict[int, bytes]:
    """The sessions that the old code has begun: pid -> address. Removes the variables."""
    names = [name for name in posix.environ if name.startswith(CHILD)]
    return {int(name[len(CHILD) :]): posix.environ.pop(name) for name in names}


class Restart:
    """See the module's docstring."""

    def __init__(self, log: Log) -> None:
        self.missing = 0
        self.trial = 0
        self._log = log

    def attempt(self, fds: Collection[int]) -> None:
        try:
            self.trial = process.branch(lambda: self._try(fds), lambda error: None)
        except OSError as error:
            self._log.line(b"SIGHUP: cannot fork: ", reason(error))

    def _try(self, fds: Collection[int]) -> int:
        """In the child: execute the new code, whose status says whether it works; 1 if that fails."""
        self._execute(fds, {TRIAL: b"%d" % self.missing})
        return 1

    def interrupt(self) -> None:
        """Kill the trial. It is reaped like any child."""
        posix.kill(self.trial, process.SIGKILL)

    def give_up(self) -> None:
        if self.trial:
            self.interrupt()
            process.wait(self.trial)
            self.trial = 0

    def works(self, status: int) -> bool:
        """Whether the trial has succeeded: `status` is that of waitpid(2)."""
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
        if self._log.syslog:
            silence_log()

    def _execute(self, fds: Collection[int], more: dict[bytes, bytes]) -> None:
        """Execute the new code, with descriptors and variables as a super-server gives them. Raises OSError."""
        env = {**posix.environ, **more}
        if b"LISTEN_PID" in env:
            env[b"LISTEN_PID"] = b"%d" % posix.getpid()
        for fd in fds:
            posix.set_inheritable(fd, True)
        if self._log.syslog:  # inetd gave the socket as fd 2 too: with that there the new code chooses syslog as well
            posix.dup2(next(iter(fds)), 2)
        posix.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)
