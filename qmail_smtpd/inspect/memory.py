"""What memory a configuration needs, against the limits in force (softlimit, ulimit, systemd): qmail-smtpd(8), MEMORY.

The figures are what a session was seen to need under RLIMIT_AS and RLIMIT_DATA with Python 3.11, rounded up.
No size of a message adds to them.
"""

from __future__ import annotations

import resource

from .findings import Report
from .home import Home
from .settings import Setting

MEGABYTE = 10**6
STACK = 128 << 10  # bytes: all of it runs in less
PLAIN = (16, 7)  # MB of all memory, and of data
LDAP = (45, 15)
MORE = (  # on top of a plain session: the name, MB, and the variables and control files that ask for it
    ("TLS", 10, 4, ("SSLCERT", "SMTPS", "smtpcert")),
    ("DKIM", 18, 4, ("DKIMVERIFY", "DMARCBEHAVIOR", "dmarcbehavior")),
)
PROGRAMS = ("RCPTCHECK", "SENDERCHECK", "SMTPAUTH")  # what asks for the LDAP programs


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    what, everything, data = needed(settings, home)
    report.note = f"memory: {what}: {everything} MB a process"
    for limit, bytes_needed, named in (
        (resource.RLIMIT_AS, everything * MEGABYTE, "softlimit -a or -m, ulimit -v, LimitAS"),
        (resource.RLIMIT_DATA, data * MEGABYTE, "softlimit -d or -m, ulimit -d, LimitDATA"),
        (resource.RLIMIT_STACK, STACK, "softlimit -s or -m, ulimit -s, LimitSTACK"),
    ):
        soft = resource.getrlimit(limit)[0]
        if soft != resource.RLIM_INFINITY and soft < bytes_needed:
            text = f"{named}: {shown(soft)} is in force, and {shown(bytes_needed)} is needed for {what}"
            report.error("limits", f"{text}: sessions get 421 or 451")


def shown(size: int) -> str:
    """So that a limit just below what is needed looks like less."""
    return f"{size / MEGABYTE:.1f} MB" if size >= MEGABYTE else f"{size >> 10} kB"


def limited() -> bool:
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)


def needed(settings: list[Setting], home: Home) -> tuple[str, int, int]:
    """What one process needs at most, and for what: the LDAP programs have one of their own."""

    def wanted(names: tuple[str, ...]) -> bool:
        return any(home.has(name) for name in names if name.islower()) or any(
            setting.has(name) for setting in settings for name in names
        )

    what, (everything, data) = ["a session"], PLAIN
    for name, more, more_data, asks in MORE:
        if wanted(asks):
            what.append(name)
            everything, data = everything + more, data + more_data
    if wanted(PROGRAMS) and everything < LDAP[0]:
        return ("the LDAP programs", *LDAP)
    return " with ".join((what[0], " and ".join(what[1:]))) if what[1:] else what[0], everything, data
