"""The limits of memory that were in force when qmail-smtpd-check was started, as in a copy of a run script.

lift()          makes room for the check itself, which needs more than a session: soft limits, which softlimit sets,
                become the hard ones. To be called before anything large is imported.
soft(limit)     the soft limit that was in force, in bytes
is_limited()    whether a hard limit is left, as ulimit sets it: then not all that a check needs may find room
"""

from __future__ import annotations

import resource
import sys

LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK)
_found: dict[int, int] = {}


def lift() -> None:
    for limit in LIMITS:
        _found[limit], hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (hard, hard))


def soft(limit: int) -> int:
    return _found[limit] if limit in _found else resource.getrlimit(limit)[0]


def is_limited() -> bool:
    return any(resource.getrlimit(limit)[1] != resource.RLIM_INFINITY for limit in LIMITS[:2])


def no_room() -> int:
    """Say so on stderr; the exit status of qmail-smtpd-check for errors."""
    sys.stderr.write(
        "qmail-smtpd-check: the limit of memory (ulimit -v, ulimit -d) leaves no room for a check; "
        "a session needs 16 MB or more, see MEMORY in qmail-smtpd(8)\n"
    )
    return 2
