"""Bring signals and descriptors, as inherited from a parent process, into a known state. Every program in bin/ calls
settle() first.

    settle(hold, others)    afterwards, whatever the parent left behind:
        * SIGINT, SIGQUIT, SIGALRM, SIGTERM and SIGCHLD have their default action (an ignored SIGCHLD survives exec, and
          every waitpid would fail); SIGPIPE and SIGXFSZ are ignored, so that the write fails instead; SIGHUP is
          unchanged, for nohup; only the signals in `hold` are blocked
        * descriptors 0 to 2 are open, so that no file or pipe of ours gets one of these numbers. One that was closed is
          /dev/null, opened so that every use of it fails
        * descriptors above 2: `others` is KEPT (open here, not inherited by programs we start), CLOSED (a tenth of the
          cost of KEPT), or PASSED (inherited, for a program that ends by exec of another)

Unchanged: the umask (a program that creates files sets its own, the queue program gets the one we got) and resource
limits. Raises nothing.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
else:
    import _signal  # what `signal` wraps, at a tenth of the cost

DEFAULT = (_signal.SIGINT, _signal.SIGQUIT, _signal.SIGALRM, _signal.SIGTERM, _signal.SIGCHLD)
IGNORED = (_signal.SIGPIPE, _signal.SIGXFSZ)
# How a closed standard descriptor is replaced: fd 0 can only be written and fd 1 only read, so that using them fails.
# A readable /dev/null on fd 0 would look like an empty message.
_CLOSED = ((0, posix.O_WRONLY), (1, posix.O_RDONLY), (2, posix.O_WRONLY))
_MOST = 1024  # how many descriptors are examined where there is no /proc
_HIGHEST = 1 << 16  # CLOSED closes the descriptors below this number
PASSED, KEPT, CLOSED = "PASSED", "KEPT", "CLOSED"


def settle(hold: Iterable[int] = (), others: str = KEPT) -> None:
    """See the module's text. Raises nothing."""
    for number in DEFAULT:
        _signal.signal(number, _signal.SIG_DFL)
    for number in IGNORED:
        _signal.signal(number, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, hold)
    for fd, way in _CLOSED:
        _occupy(fd, way)
    if others == CLOSED:
        posix.closerange(3, _HIGHEST)
    elif others == KEPT:
        for fd in passes_exec():
            posix.set_inheritable(fd, False)


def may_be_open() -> Iterable[int]:
    """The numbers of all open descriptors, among others."""
    try:
        return [int(name) for name in posix.listdir("/proc/self/fd")]  # the one that listdir itself used is closed
    except OSError:
        return range(_MOST)


def passes_exec() -> list[int]:
    """The descriptors above 2 that a program started from here would inherit."""
    return [fd for fd in may_be_open() if fd > 2 and _is_inheritable(fd)]


def _is_inheritable(fd: int) -> bool:
    try:
        return posix.get_inheritable(fd)
    except OSError:
        return False  # not open


def _occupy(fd: int, way: int) -> None:
    try:
        posix.fstat(fd)
    except OSError:
        try:
            posix.set_inheritable(posix.open("/dev/null", way), True)  # it takes the lowest free number
        except OSError:
            pass  # no descriptor left, or no /dev: whatever uses it later fails with an error of its own
