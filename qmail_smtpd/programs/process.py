"""Starting, waiting for and killing other programs and processes: the only module that does.

    spawn(argv, env, {0: fd, ...})      start a program; its pid. Raises OSError if that fails
    fork(name, main, env, {0: fd, ...}) the same for a program that is loaded already: call `main` in a new process
    branch(work, failed)                call `work` in a copy of this process; its pid
    look(pid)                           its status, None while it runs
    reap(pid, seconds)                  wait at most so many seconds; its status, None if it still runs
    wait(pid)                           wait until it ends; its status
    kill(pid)                           SIGKILL it, or with `group` its whole process group, and wait
    end_unless(pid)                     end this process unless it is `pid`: a site's code has forked it

A status is an exit code, the negative number of the signal that ended the program, or LOST if the system does not know.

A program has descriptor 2 (our log) and those it is given, no others (inherited.py makes all others close-on-exec).
Its signals have their default action, except SIGHUP, which is as our parent left it; none is blocked. Its environment
is `env` and nothing else.
"""

from __future__ import annotations

import posix
from time import monotonic, sleep

from ..inherited import IGNORED, may_be_open
from ..logs.log import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SIGKILL = 9
LOST = -255
KILLED_SECONDS = 30.0  # how long to wait for the end of a killed process (one in the kernel can take a while)
EINVAL = 22
_SHORTEST, _LONGEST = 0.0005, 0.05  # seconds between two looks at a process


def spawn(argv: list[bytes], env: dict[bytes, bytes], fds: dict[int, int], group: bool = False) -> int:
    """Start the program argv[0], a path (PATH is not searched); its pid. Raises OSError.

    `fds` maps descriptors of the child to ours. They are duplicated in this order, so 0 and 1 must come first and ours
    must be above 2, or one would overwrite another. `group`: the child leads a process group of its own."""
    actions = [(posix.POSIX_SPAWN_DUP2, ours, its) for its, ours in fds.items()]
    more: dict[str, Any] = {"setpgroup": 0} if group else {}
    try:
        return posix.posix_spawn(argv[0], argv, env, file_actions=actions, setsigmask=(), setsigdef=IGNORED, **more)
    except ValueError as error:
        raise OSError(EINVAL, str(error)) from error


def fork(name: bytes, main: Callable[[], int], env: dict[bytes, bytes], fds: dict[int, int]) -> int:
    """Run `main` in a new process, with the descriptors and environment that spawn would give it; its pid. The process
    exits with what `main` returns, or logs what it raises and exits 111. Raises OSError."""

    def work() -> int:
        for its, ours in fds.items():
            posix.dup2(ours, its)
        _close_all_but({0, 1, 2, *fds})
        posix.environ.clear()
        posix.environ.update(env)
        return main()

    return branch(work, lambda error: posix.write(2, b"%b: %b\n" % (name, described(error))))


def branch(work: Callable[[], int], failed: Callable[[BaseException], object]) -> int:
    """Call `work` in a copy of this process, with all its descriptors and memory; its pid. The copy exits with what
    `work` returns, or calls `failed` with what it raises and exits 111; it never returns from here. Raises OSError."""
    pid = posix.fork()
    if pid == 0:
        status = 111
        try:
            status = work()
        except BaseException as error:
            failed(error)
        finally:
            posix._exit(status)
    return pid


def end_unless(pid: int) -> None:
    """To be called where a site's code returns, or raises something: if that forked, two processes come back, and only
    one of them may talk to the client and pass on its message."""
    if posix.getpid() != pid:
        posix._exit(1)


def _close_all_but(kept: set[int]) -> None:
    """Close every other descriptor, one by one: closerange is slow where the system has no close_range(2)."""
    for fd in may_be_open():
        if fd not in kept:
            try:
                posix.close(fd)
            except OSError:
                pass  # not open


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
    """Its status, None if it still runs after `seconds`. For a child that should end soon."""
    deadline = monotonic() + seconds
    nap = _SHORTEST
    while (status := look(pid)) is None and monotonic() < deadline:
        sleep(nap)
        nap = min(2 * nap, _LONGEST)
    return status


def kill(pid: int, group: bool = False) -> None:
    """SIGKILL, then wait for its end, at most KILLED_SECONDS. The child must not have been reaped yet: until then no
    other process can have its number."""
    try:
        (posix.killpg if group else posix.kill)(pid, SIGKILL)
    except OSError:
        pass
    reap(pid, KILLED_SECONDS)
