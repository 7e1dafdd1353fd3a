"""What running a program costs, and how two of them are compared.

    adopt_orphans()                     once, before anything is measured
    cost = run(argv, env, source)       start, wait, Cost; whatever it leaves behind is waited for and counted too
    costs = interleaved(rounds, steps)  {name: [Cost..]}: A B C B C A ..., after one round that does not count

A step that is None is of a peer which is not installed: it has no costs, and table.py leaves its rows out.

All times are seconds. CPU is user plus system time as the kernel accounts it to ended processes (wait4): of the
process, the children it has waited for, and those that it has not.
"""

from __future__ import annotations

import ctypes
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

PR_SET_CHILD_SUBREAPER = 36
_FAILED = "{} ended with status {}"


class Cost(NamedTuple):
    """Seconds of processor and of the clock on the wall."""

    cpu: float
    wall: float

    def __add__(self, other: object) -> Cost:
        assert isinstance(other, Cost)
        return Cost(self.cpu + other.cpu, self.wall + other.wall)

    def over(self, count: float) -> Cost:
        """The part of one of `count`."""
        return Cost(self.cpu / count, self.wall / count)


Step = Callable[[], Cost]


def adopt_orphans() -> None:
    """From now on processes whose parent has ended become children of this one, so that they can be accounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def spawn(argv: list[str], env: dict[str, str], fds: list[int]) -> int:
    """Start a program with `fds` as its fd 0, 1, 2, in a process group of its own; the pid, which is the group too."""
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)]
    return os.posix_spawn(argv[0], argv, env, file_actions=actions, setpgroup=0)


def reap(group: int) -> tuple[float, int]:
    """Wait for all of a process group: (CPU seconds, exit status of the process that the group is named after)."""
    cpu, status = 0.0, 0
    while True:
        try:
            pid, code, usage = os.wait4(-group, 0)
        except ChildProcessError:
            return cpu, status
        cpu += usage.ru_utime + usage.ru_stime
        if pid == group:
            status = os.waitstatus_to_exitcode(code)


def run(
    argv: list[str], env: dict[str, str], source: str = os.devnull, *, both: bool = False, feed: Iterable[bytes] = ()
) -> Cost:
    """Run a program with the file `source` as fd 0 (also as fd 1 if `both`), or with a pipe that `feed` goes into.
    What it writes is dropped. An exit status other than 0 ends the bench."""
    null = os.open(os.devnull, os.O_RDWR)
    pipe = os.pipe() if feed else None
    fd = pipe[0] if pipe else os.open(source, os.O_RDONLY)
    begin = time.perf_counter()
    pid = spawn(argv, env, [fd, fd if both else null, null])
    os.close(fd)
    if pipe:
        threading.Thread(target=_feed, args=(pipe[1], feed), daemon=True).start()
    cpu, status = reap(pid)
    wall = time.perf_counter() - begin
    os.close(null)
    if status:
        sys.exit(_FAILED.format(" ".join(argv), status))
    return Cost(cpu, wall)


def step(argv: list[str], env: dict[str, str], source: str) -> Step | None:
    """That run as a step; None without a program."""
    return partial(run, argv, env, source) if argv else None


def _feed(fd: int, blocks: Iterable[bytes]) -> None:
    with open(fd, "wb", buffering=0) as stream:
        for block in blocks:
            rest = memoryview(block)
            while rest:
                rest = rest[stream.write(rest) :]


def interleaved(rounds: int, steps: Mapping[str, Step | None]) -> dict[str, list[Cost]]:
    """Take every step once in each of `rounds` rounds, and in one before these. The order is another one each time:
    what a step leaves in the caches and in the scheduler of the system helps or hinders the next one."""
    costs: dict[str, list[Cost]] = {name: [] for name in steps}
    there = [(name, taken) for name, taken in steps.items() if taken]
    orders = random.Random(rounds)  # the same ones in every run
    for number in range(rounds + 1):
        for name, taken in orders.sample(there, len(there)):
            cost = taken()
            if number:
                costs[name].append(cost)
    return costs


def middle(costs: list[Cost]) -> Cost:
    """The median of each part."""
    return Cost(statistics.median(c.cpu for c in costs), statistics.median(c.wall for c in costs))


def ratio(costs: list[Cost], others: list[Cost]) -> Cost:
    """How many times as much as the other, as the median over the rounds: a round is compared with itself only, so
    what disturbs the machine for a while disturbs both. CPU is 0 where nobody measured it."""
    pairs = list(zip(costs, others, strict=True))
    cpu, wall = ([a[part] / b[part] for a, b in pairs if b[part]] for part in (0, 1))
    return Cost(statistics.median(cpu) if cpu else 0.0, statistics.median(wall))
