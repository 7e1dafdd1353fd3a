"""Whether this machine and the limits in force allow as many sessions as control/concurrencyincoming does."""

from __future__ import annotations

import os
import resource

from .findings import Report
from .home import Home
from .memory import MEGABYTE, needed
from .settings import Setting

FILE = "control/concurrencyincoming"
PROCESSES = 3  # that a session may have at the same time: itself, the queue program, and a helper or plugin
DESCRIPTORS = 64  # more than a session with all lists and milters needs
CGROUP = "/sys/fs/cgroup/memory.max"


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if resource.RLIM_INFINITY != descriptors < DESCRIPTORS:
        report.error("limits", f"ulimit -n, LimitNOFILE: {descriptors} descriptors; a session may need {DESCRIPTORS}")
    digits = home.line("concurrencyincoming")
    if not digits.isdigit():
        return
    most = int(digits)
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if os.geteuid() and resource.RLIM_INFINITY != processes < most * PROCESSES:
        text = f"{most} sessions may start {most * PROCESSES} processes, and {processes} are allowed"
        report.warning(FILE, f"{text} (ulimit -u, LimitNPROC)", 1)
    what, _, data = needed(settings, home)
    if most * data * MEGABYTE > memory():
        had = memory() // MEGABYTE
        text = f"{most} processes ({what}) may take {most * data} MB of memory; there are {had} MB: write less"
        report.warning(FILE, text, 1)


def memory() -> int:
    """The memory in bytes of this machine, or of our control group if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open(CGROUP, encoding="ascii") as file:
            text = file.read().strip()
    except OSError:
        return machine
    return min(machine, int(text)) if text.isdigit() else machine
