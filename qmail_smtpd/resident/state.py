"""The state of a worker's process: recorded once, and after every session restored, or found to be changed.

    state = State(package, kept)    `kept`: modules whose function `descriptors` returns what may stay open
    state.restore(foreign)          b"", or what could not be restored, for the log: then the worker must end.
                                    `foreign`: whether code of others ran in this process

Restored: current folder, umask, signal handlers and mask, timers, soft limits, the environment as Python and C have
it, the path and hooks of sys, the garbage collector. Compared only: user and groups, threads, descriptors. Children
that have ended are reaped. A site's own checkers can change more than that (checkers/_template.py says so).
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import _thread
import gc
import os
import posix
import resource
import sys

from ..control.secrets import no_core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Step = tuple[bytes, Callable[[], bool]]

PROC = "/proc/self"
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)  # the first is that of alarm(), too
NUMBERS = sorted(signal.valid_signals())
FIXED = {int(signal.SIGKILL), int(signal.SIGSTOP)}
LIMITS = sorted({value for name, value in vars(resource).items() if name.startswith("RLIMIT_")})
HOOKS = ("unraisablehook", "excepthook", "displayhook", "stdin", "stdout", "stderr", "dont_write_bytecode")


class State:
    """See the module's docstring."""

    def __init__(self, package: str, kept: list[str]) -> None:
        no_core()  # earlier clients' secrets would be in it
        self._kept = [f"{package}.{name}" for name in kept]
        self._umask = posix.umask(0o077)
        posix.umask(self._umask)
        self._handlers = _handlers()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        self._limits = _limits()
        self._identity = _identity()
        self._threads = _thread._count()
        self._environ = dict(_of_os())
        self._bytes = dict(posix.environ)
        self._path = list(sys.path)
        self._hooks = _hooks()
        self._collector = gc.isenabled(), gc.get_threshold()
        self._folder = posix.open(".", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        self._descriptors = descriptors()

    def restore(self, foreign: bool = True) -> bytes:
        """See the module's docstring. Never raises."""
        ours: tuple[Step, ...] = (
            (b"its children", reap_all),
            (b"the current folder", self._go_back),
            (b"the alarm", lambda: signal.alarm(0) >= 0),
            (b"the environment", self._put_environment_back),
            (b"descriptors", lambda: (not foreign and self._has_as_many_descriptors()) or self._has_its_descriptors()),
            # net/stream.py has one for a host name that takes too long to be looked up.
            (b"threads", lambda: _thread._count() == self._threads),
        )
        theirs: tuple[Step, ...] = (
            (b"the umask", self._put_umask_back),
            (b"timers", self._stop_timers),
            (b"signals", self._put_signals_back),
            (b"limits", self._put_limits_back),
            (b"Python's own state", self._put_python_back),
            (b"its user or group", lambda: _identity() == self._identity),
        )
        for what, step in (*ours, *theirs) if foreign else ours:
            try:
                if not step():
                    return what + b" changed"
            except Exception as error:
                return what + b": " + str(error).encode(errors="replace")
        return b""

    def _go_back(self) -> bool:
        posix.fchdir(self._folder)
        return True

    def _put_umask_back(self) -> bool:
        posix.umask(self._umask)
        return True

    def _stop_timers(self) -> bool:
        for kind in TIMERS:
            signal.setitimer(kind, 0)
        return True

    def _put_signals_back(self) -> bool:
        signal.set_wakeup_fd(-1)
        if _handlers() != self._handlers:
            for number, handler in self._handlers.items():
                if number not in FIXED and handler is not None:
                    signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        return _handlers() == self._handlers

    def _put_limits_back(self) -> bool:
        for which, (soft, hard) in _limits().items():
            if (soft, hard) != self._limits[which]:
                resource.setrlimit(which, self._limits[which])
        return True

    def _put_environment_back(self) -> bool:
        if posix.environ != self._bytes:
            posix.environ.clear()
            posix.environ.update(self._bytes)
        if _of_os() != self._environ:
            for name in list(os.environb):
                del os.environb[name]
            os.environb.update(self._environ)
        return True

    def _put_python_back(self) -> bool:
        sys.path[:] = self._path
        for name, value in self._hooks.items():
            setattr(sys, name, value)
        sys.settrace(None)
        sys.setprofile(None)
        enabled, threshold = self._collector
        gc.set_threshold(*threshold)
        (gc.enable if enabled else gc.disable)()
        return True

    def _has_as_many_descriptors(self) -> bool:
        """The same for our own code, which closes none that it has not opened: a tenth of the time."""
        more = _count() - len(self._descriptors)
        return more == 0 or more == len(self._kept_open())

    def _has_its_descriptors(self) -> bool:
        """Whether the descriptors are the same, after a collection of garbage if it may still hold one open."""
        if self._same_descriptors():
            return True
        gc.collect()
        return self._same_descriptors()

    def _same_descriptors(self) -> bool:
        now = descriptors()
        return self._descriptors.items() <= now.items() and now.keys() <= self._descriptors.keys() | self._kept_open()

    def _kept_open(self) -> set[int]:
        """The descriptors that modules keep, and did not have at the start."""
        kept: set[int] = set()
        for name in self._kept:
            kept |= getattr(sys.modules.get(name), "descriptors", set)()
        return kept - self._descriptors.keys()


def reap_all() -> bool:
    """Reap the children of the session that have ended."""
    try:
        while posix.waitpid(-1, posix.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return True


def descriptors() -> dict[int, tuple[int, int]]:
    """The open descriptors, each with the device and inode it refers to."""
    found = {}
    for fd in map(int, posix.listdir(f"{PROC}/fd")):
        try:
            status = posix.fstat(fd)
        except OSError:
            continue  # it was the descriptor of listdir itself
        found[fd] = status.st_dev, status.st_ino
    return found


def is_shown() -> bool:
    """Whether /proc shows a process its descriptors and memory. Where it does not, nothing could be compared."""
    return posix.access(f"{PROC}/fd", posix.R_OK | posix.X_OK) and posix.access(f"{PROC}/statm", posix.R_OK)


def _count() -> int:
    """How many descriptors are open. Linux tells by the size of the folder from 6.2 on; before that it is 0."""
    return posix.stat(f"{PROC}/fd").st_size or len(posix.listdir(f"{PROC}/fd")) - 1  # listdir has one of its own


class Memory:
    """How much memory this process uses."""

    def __init__(self) -> None:
        self._fd = posix.open(f"{PROC}/statm", posix.O_RDONLY | posix.O_CLOEXEC)

    def pages(self) -> int:
        """The pages in use that come from no file, with those that are shared with the parent since the fork."""
        _, resident, shared, *_ = posix.pread(self._fd, 256, 0).split()
        return int(resident) - int(shared)


def _of_os() -> dict[bytes, bytes]:
    """The environment as `os` has it, which is also that of the C library."""
    return os.environ._data  # type: ignore[attr-defined,no-any-return]


def _handlers() -> dict[int, object]:
    return {number: signal.getsignal(number) for number in NUMBERS}


def _limits() -> dict[int, tuple[int, int]]:
    return {which: resource.getrlimit(which) for which in LIMITS}


def _identity() -> tuple[object, ...]:
    return posix.getresuid(), posix.getresgid(), posix.getgroups(), posix.getsid(0), posix.getpgrp()


def _hooks() -> dict[str, object]:
    return {name: getattr(sys, name) for name in HOOKS}
