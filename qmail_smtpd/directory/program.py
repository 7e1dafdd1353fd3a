"""What the LDAP programs have in common: how they start, and the bit mask that chooses their log lines.

SPEC section 1 (the home) and section 12 (the log).
"""

from __future__ import annotations

import posix

from ..logs.log import Log
from ..smtp.numbers import leading_number

# What this host lacks: memory, or packages for this Python. SystemError: what an extension makes of no memory. Their
# texts hold nothing that a client said.
LACKING = (ImportError, MemoryError, SystemError)
ERROR, WARNING, INFO, DEBUG, TRACE, LDAP, LDAP_DATA = 1, 2, 4, 16, 32, 64, 128


class MaskLog(Log):
    """A log whose `level` is a sum of the bits above; a line is written if its bit is wanted."""

    def say(self, bit: int, *parts: bytes) -> None:
        if self.level & bit:
            self.line(*parts)


def start(name: bytes) -> MaskLog:
    """The first act of a program: returns its log.

    No core is ever written, since one could hold a password, and files we make are for our user alone.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    posix.umask(0o077)
    posix.putenv(b"SASL_PATH", b"/dev/null")  # libldap would load all mechanisms there are, and none is used here
    wanted = posix.environ.get(b"LOGLEVEL") or posix.environ.get(b"DEBUGLEVEL") or b""
    return MaskLog(name, leading_number(wanted, 0))


def write_all(data: bytes) -> None:
    """Write to fd 1. Raises OSError, also when nobody reads any more (SIGPIPE is ignored)."""
    while data:
        data = data[posix.write(1, data) :]
