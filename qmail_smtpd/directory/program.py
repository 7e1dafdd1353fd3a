"""The common parts of qmail-verify and auth_smtp: how they start, and the bit mask that chooses their log lines.

SPEC section 1 (the home) and section 12 (the log).
"""

from __future__ import annotations

import posix

from ..logs.log import Log
from ..smtp.numbers import leading_number

# Errors for missing memory or packages. SystemError is how an extension module may report that it got no memory. Their
# texts hold nothing that a client sent, so they may be logged.
LACKING = (ImportError, MemoryError, SystemError)
ERROR, WARNING, INFO, DEBUG, TRACE, LDAP, LDAP_DATA = 1, 2, 4, 16, 32, 64, 128


class MaskLog(Log):
    """A log whose `level` is a sum of the bits above; `say` writes a line if its bit is in it, `line` in any case."""

    def say(self, bit: int, *parts: bytes) -> None:
        if self.level & bit:
            self.line(*parts)


def start(name: bytes) -> MaskLog:
    """What a program does first. Returns its log, with the level of LOGLEVEL or DEBUGLEVEL.

    No core is ever written, since one could hold a password, and only our user may read the files that are made.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    posix.umask(0o077)
    posix.putenv(b"SASL_PATH", b"/dev/null")  # libldap would load all SASL mechanisms, and none is used here
    wanted = posix.environ.get(b"LOGLEVEL") or posix.environ.get(b"DEBUGLEVEL") or b""
    return MaskLog(name, leading_number(wanted, 0))


def write_all(data: bytes) -> None:
    """Write `data` to fd 1. Raises OSError, also when the reader is gone (SIGPIPE is ignored)."""
    while data:
        data = data[posix.write(1, data) :]
