"""What a program inherits from whoever starts it, and what of it we rely on: the first act of every program in bin/.

    settle()        afterwards, whatever a parent left behind:
                    * SIGINT, SIGQUIT, SIGALRM, SIGTERM and SIGCHLD do what they do by default (an ignored SIGCHLD
                      survives exec, and every waitpid would fail); SIGPIPE and SIGXFSZ are ignored: a write fails
                      instead; SIGHUP is as it was, for nohup; no signal is blocked but those of `hold`
                    * descriptors 0 to 2 are open, so that no file or pipe of ours becomes one; one that was closed
                      fails for whoever uses it
                    * descriptors above 2 pass no exec, so a child gets what it is given (programs/process.py): they are
                      KEPT for ourselves or, for a tenth of the time, CLOSED; a program that becomes another one has
                      them PASSED

Not touched: the umask (a program that makes files sets its own, the queue program gets the one that we got) and limits
(but for those that a program sets for itself).
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
# How a closed standard descriptor is replaced: the wrong way round, so that nobody takes it for an empty message.
_CLOSED = ((0, posix.O_WRONLY), (1, posix.O_RDONLY), (2, posix.O_WRONLY))
_MOST = 256  # descriptors that are looked at where there is no /proc
_HIGHEST = 1 << 16  # of the descriptors that are closed
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


def passes_exec() -> list[int]:
    """The descriptors above 2 that a program started from here would get."""
    try:
        candidates: Iterable[int] = [int(name) for name in posix.listdir("/proc/self/fd")]
    except OSError:
        candidates = range(_MOST)
    return [fd for fd in candidates if fd > 2 and _is_inheritable(fd)]


def _is_inheritable(fd: int) -> bool:
    try:
        return posix.get_inheritable(fd)
    except OSError:
        return False  # not open; or it was that of the folder


def _occupy(fd: int, way: int) -> None:
    try:
        posix.fstat(fd)
    except OSError:
        try:
            posix.set_inheritable(posix.open("/dev/null", way), True)  # it takes the lowest free number
        except OSError:
            pass  # no descriptor, or no /dev: what we do will fail in its own way
