"""What memory a configuration needs, against the limits in force (softlimit, ulimit, systemd): qmail-smtpd(8), MEMORY.

The figures are what a session was seen to need under RLIMIT_AS and RLIMIT_DATA with Python 3.11, rounded up; the
LDAP programs have their own process, so the largest counts. No size of a message adds to them.
"""

from __future__ import annotations

import resource

from .findings import Report
from .home import Home
from .settings import Setting

MEGABYTE = 10**6
# What is asked for, and bytes of all memory and of data that are needed, in MB.
PLAIN = ("a plain session", 16, 7)
TLS = ("TLS", 26, 11)
DIRECTORY = ("the LDAP programs", 50, 20)


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    what, everything, data = needed(settings, home)
    report.note = f"memory: {what}: {everything} MB a process"
    for limit, bytes_needed, named in (
        (resource.RLIMIT_AS, everything * MEGABYTE, "softlimit -a or -m, ulimit -v, LimitAS"),
        (resource.RLIMIT_DATA, data * MEGABYTE, "softlimit -d or -m, ulimit -d, LimitDATA"),
    ):
        soft = resource.getrlimit(limit)[0]
        if soft != resource.RLIM_INFINITY and soft < bytes_needed:
            least = bytes_needed // MEGABYTE
            report.error(
                "limits",
                f"{named}: {soft / MEGABYTE:.1f} MB is in force, and {what} needs {least} MB: sessions get 421 or 451",
            )


def needed(settings: list[Setting], home: Home) -> tuple[str, int, int]:
    """The most that one of the environments asks for."""
    if any(setting.has(name) for setting in settings for name in ("RCPTCHECK", "SENDERCHECK", "SMTPAUTH")):
        return DIRECTORY
    if home.has("smtpcert") or any(setting.has(name) for setting in settings for name in ("SSLCERT", "SMTPS")):
        return TLS
    return PLAIN
