"""Whether the limits on memory (softlimit, ulimit, systemd) allow what a configuration needs: qmail-smtpd(8), MEMORY.

The figures were measured: the smallest RLIMIT_AS and RLIMIT_DATA with which sessions work with Python 3.11, each in a
process of its own and in the resident mode, rounded up. They do not depend on the size of messages, but on that of long
lists.
"""

from __future__ import annotations

import resource

from ..control.catalogue import FILES, SMTPD
from . import inforce
from .combinations import certificate
from .findings import Report
from .home import Home
from .settings import Setting

MEGABYTE = 10**6
STACK = 128 << 10  # bytes; everything runs in less
PLAIN = (16, 7)  # a plain session: MB of address space, MB of data
LDAP = (45, 15)  # the LDAP programs
MORE = (  # in addition to a plain session: name, MB, MB of data, variables and control files that configure it
    ("TLS", 10, 4, ("SMTPS",)),  # and with a certificate
    ("DKIM", 24, 6, ("DKIMVERIFY", "DMARCBEHAVIOR", "dmarcbehavior")),
)
# The lists that each session reads, and the database that is used instead. A list takes a few copies of its text, and a
# table of its entries if a session has many recipients.
LISTS = {name: f"{name}.cdb" for name, known in FILES.items() if known.kind == "list" and known.program == SMTPD}
COPIES, PER_LINE = 4, 130  # of the text; bytes
LONG = 10_000  # entries from which a database is worth it
PROGRAMS = ("RCPTCHECK", "SENDERCHECK", "SMTPAUTH")  # these need the LDAP programs


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    for name in ("locals", "rcpthosts"):
        count = (home.read(name) or b"").count(b"\n")
        if count > LONG and not home.has(LISTS[name]):
            how = f"qmail-cdb makes control/{LISTS[name]} of it, and a session reads a few bytes of that"
            report.hint(f"control/{name}: each session reads all {count} lines; {how}")
    what, everything, data = needed(settings, home)
    report.note = f"memory: {what}: {everything} MB per process"
    for limit, bytes_needed, named in (
        (resource.RLIMIT_AS, everything * MEGABYTE, "softlimit -a or -m, ulimit -v, LimitAS"),
        (resource.RLIMIT_DATA, data * MEGABYTE, "softlimit -d or -m, ulimit -d, LimitDATA"),
        (resource.RLIMIT_STACK, STACK, "softlimit -s or -m, ulimit -s, LimitSTACK"),
    ):
        soft = inforce.soft(limit)
        if soft != resource.RLIM_INFINITY and soft < bytes_needed:
            text = f"{named}: {_in_words(soft)} is in force, and {_in_words(bytes_needed)} is needed for {what}"
            report.error("limits", f"{text}: sessions get 421 or 451")


def _in_words(size: int) -> str:
    """A size in MB with a decimal, so that a limit just below what is needed is seen to be less."""
    return f"{size / MEGABYTE:.1f} MB" if size >= MEGABYTE else f"{size >> 10} kB"


def needed(settings: list[Setting], home: Home) -> tuple[str, int, int]:
    """The largest process, and the MB of address space and of data that it needs."""

    def wanted(names: tuple[str, ...]) -> bool:
        return any(home.has(name) for name in names if name.islower()) or any(
            setting.has(name) for setting in settings for name in names
        )

    encrypts = any(certificate(setting, home) for setting in settings)
    what, (everything, data) = ["a session"], PLAIN
    for name, more, more_data, asks in MORE:
        if wanted(asks) or (name == "TLS" and encrypts):
            what.append(name)
            everything, data = everything + more, data + more_data
    if more := _of_lists(home) // MEGABYTE:
        what.append("long lists")
        everything, data = everything + more, data + more
    if wanted(PROGRAMS) and everything < LDAP[0]:
        return ("the LDAP programs", *LDAP)
    return " with ".join((what[0], " and ".join(what[1:]))) if what[1:] else what[0], everything, data


def _of_lists(home: Home) -> int:
    """The bytes that the lists take."""
    texts = [home.read(name) or b"" for name, database in LISTS.items() if not home.has(database)]
    return sum(COPIES * len(text) + PER_LINE * text.count(b"\n") for text in texts)
