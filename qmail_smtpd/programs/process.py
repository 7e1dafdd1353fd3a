"""The programs we start: spawn, wait, kill; nobody else does.

    spawn(argv, env, {0: fd, ...})      its pid; raises OSError: it cannot be executed, or no process can be had
    fork(name, main, env, {0: fd, ...}) the same of a program that is in memory already: its main, what it is called
    look(pid)                           how it ended, None while it runs
    reap(pid, seconds)                  the same, once it has ended or so many seconds have passed
    wait(pid)                           the same, however long it takes
    kill(pid)                           end it at once, or the group it is the head of

How a program ended is its exit code, or the number of a signal below zero; LOST where the system cannot say.

A child gets descriptor 2 (our log), those it is given, and no other (inherited.py sees to that); every signal does what
it does by default, or what our parent wanted of SIGHUP, and none is blocked; the environment is what it is given.
"""

from __future__ import annotations

import posix
from time import monotonic, sleep

from ..inherited import IGNORED
from ..logs.log import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SIGKILL = 9
LOST = -255
KILLED_SECONDS = 30.0  # for the kernel to be done with a process that was killed
EINVAL = 22
_SHORTEST, _LONGEST = 0.0005, 0.05  # seconds between two looks


def spawn(argv: list[bytes], env: dict[bytes, bytes], fds: dict[int, int], group: bool = False) -> int:
    """Start argv[0], a path: no search. `fds` are the child's numbers and ours, which are above 2; they are made in
    this order, so 0 and 1 come first. `group`: it becomes the head of a process group."""
    actions = [(posix.POSIX_SPAWN_DUP2, ours, its) for its, ours in fds.items()]
    more: dict[str, Any] = {"setpgroup": 0} if group else {}
    try:
        return posix.posix_spawn(argv[0], argv, env, file_actions=actions, setsigmask=(), setsigdef=IGNORED, **more)
    except ValueError as error:
        raise OSError(EINVAL, str(error)) from error


def fork(name: bytes, main: Callable[[], int], env: dict[bytes, bytes], fds: dict[int, int]) -> int:
    """With the descriptors and the environment that an exec would give it."""
    pid = posix.fork()
    if pid == 0:
        status = 111
        try:
            for its, ours in fds.items():
                posix.dup2(ours, its)
            _close_all_but({0, 1, 2, *fds})
            posix.environ.clear()
            posix.environ.update(env)
            status = main()
        except BaseException as error:
            posix.write(2, b"%b: %b\n" % (name, described(error)))
        finally:
            posix._exit(status)
    return pid


def _close_all_but(kept: set[int]) -> None:
    """By name: closerange is slow where the system has no close_range(2)."""
    try:
        fds = [int(name) for name in posix.listdir("/proc/self/fd")]
    except OSError:
        fds = list(range(1024))
    for fd in fds:
        if fd not in kept:
            try:
                posix.close(fd)
            except OSError:
                pass  # it was that of the listing


def look(pid: int) -> int | None:
    return _ended(pid, posix.WNOHANG)


def wait(pid: int) -> int:
    status = _ended(pid, 0)
    return LOST if status is None else status


def _ended(pid: int, options: int) -> int | None:
    try:
        done, status = posix.waitpid(pid, options)
    except OSError:
        return LOST  # no child of ours
    return posix.waitstatus_to_exitcode(status) if done else None


def reap(pid: int, seconds: float) -> int | None:
    """How it ended; None if it is still there after `seconds`. For a child that should be about to end."""
    deadline = monotonic() + seconds
    nap = _SHORTEST
    while (status := look(pid)) is None and monotonic() < deadline:
        sleep(nap)
        nap = min(2 * nap, _LONGEST)
    return status


def kill(pid: int, group: bool = False) -> None:
    """SIGKILL, and wait for its end. Not reaped so far, so the number is still its own."""
    try:
        (posix.killpg if group else posix.kill)(pid, SIGKILL)
    except OSError:
        pass
    reap(pid, KILLED_SECONDS)
