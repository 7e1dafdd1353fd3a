"""The answers of the programs in bin/ to --help, --version and wrong usage.

    answer()    to be called by a program that has arguments, or whose fd 0 is a terminal. Prints and exits, unless the
                arguments are right; then it returns

qmail-smtpd-check and qmail-smtpd-explain have options of their own (inspect/check.py). The receiver may be started on a
terminal, to try it out.
"""

from __future__ import annotations

import posix
import sys

from .. import VERSION

WRONG = 100  # the exit status for wrong usage, as in the programs of the family


class Program:
    """What --help says of a program. `takes`: its arguments, "" for none. `expects`: which program starts it and what
    that writes to it, "" for a program that is started by hand. `ignores`: words that are no options have no effect."""

    __slots__ = ("does", "takes", "expects", "ignores")

    def __init__(self, does: str, takes: str = "", expects: str = "", ignores: bool = False) -> None:
        self.does = does
        self.takes = takes
        self.expects = expects
        self.ignores = ignores


QUEUE = "the receiver gives it the message on descriptor 0 and the envelope on descriptor 1"
PROGRAMS = {
    "auth_smtp": Program(
        "check the password of a user, by LDAP",
        expects="the receiver gives it the response of the client on descriptor 0",
    ),
    "maildir-queue": Program("a queue program that keeps messages in a Maildir", expects=QUEUE),
    "pbsadd": Program(
        "tell the POP-before-SMTP servers that this client has read mail", takes="[PROGRAM [ARGUMENT]...]"
    ),
    "pbscheck": Program("let a client relay that has lately read mail by POP", takes="PROGRAM [ARGUMENT]..."),
    "pbsdbd": Program("the POP-before-SMTP server"),
    "qmail-cdb": Program("make a constant database of a list", takes="FILE.cdb FILE.tmp < FILE"),
    "qmail-newmrh": Program("make control/morercpthosts.cdb of control/morercpthosts"),
    "qmail-smtpd": Program(
        "receive mail by SMTP on descriptors 0 and 1; see README.md and qmail-smtpd-control(5)",
        ignores=True,  # as the original does; run scripts of patched qmails name a host and a password program
    ),
    "qmail-verify": Program(
        "check whether addresses exist, by LDAP",
        expects="the receiver gives it addresses on descriptor 0, each ended by NUL",
    ),
    "queue-sendmail": Program("a queue program that hands messages to sendmail", expects=QUEUE),
}


def answer() -> None:
    """See the module's docstring."""
    name = sys.argv[0].rpartition("/")[2]
    program = PROGRAMS[name]
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    if first in ("-h", "--help"):
        _end(0, f"usage: {name} {program.takes}".rstrip() + f"\n\n{program.does}\n\n{_manual(name)}\n")
    elif first == "--version":
        _end(0, f"{name} {VERSION}\n")
    elif first.startswith("--" if program.takes else "-") or (first and not program.takes and not program.ignores):
        _end(WRONG, f"{name}: unknown argument {first!r}; try {name} --help\n")
    elif not first and program.expects and posix.isatty(0):
        _end(WRONG, f"{name}: not to be started by hand: {program.expects}; {_manual(name)}\n")


def _manual(name: str) -> str:
    return f"man {name}, or man -M PREFIX/man {name} after make install PREFIX=..."


def _end(status: int, text: str) -> None:
    stream = sys.stderr if status else sys.stdout
    stream.write(text)
    stream.flush()
    posix._exit(status)
