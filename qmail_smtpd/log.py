"""Log lines (SPEC section 12): `PROGRAM PID: text`, one write each, to fd 2 or to syslog.

Bytes below 32 and above 126 and the backslash are escaped, so that no client can forge a line. Under a
super-server that hands the client socket to fd 2 nothing may be written there: the same lines go
to syslog then, facility mail. Losing a line never ends a session.
"""

from __future__ import annotations

import posix

FATAL, ACCOUNT, REFUSAL, COMMAND = 1, 2, 3, 4  # the levels of LOGLEVEL

_PLAIN = bytes(range(32, 127)).replace(b"\\", b"")


def escaped(text: bytes) -> bytes:
    """`text` with every byte that a terminal or a log parser could stumble over as \\ooo."""
    if not text.translate(None, _PLAIN):
        return text
    return b"".join(b"%c" % byte if byte in _PLAIN else b"\\%03o" % byte for byte in text)


class Log:
    """Writes the lines whose level is at most `level` (0: none)."""

    def __init__(self, program: bytes, level: int, syslog: bool = False) -> None:
        self.program = program
        self.level = level
        self.pid = posix.getpid()
        self._syslog = syslog

    def write(self, level: int, *parts: bytes) -> None:
        """Log the joined parts, if `level` is wanted."""
        if level <= self.level:
            self.line(*parts)

    def line(self, *parts: bytes) -> None:
        """Log the joined parts, whatever the level."""
        text = escaped(b"".join(parts))
        if self._syslog:
            self._to_syslog(text)
            return
        try:
            posix.write(2, b"%b %d: %b\n" % (self.program, self.pid, text))
        except OSError:
            pass  # a full or closed log must not cost a message

    def _to_syslog(self, text: bytes) -> None:
        import syslog

        syslog.openlog(self.program.decode(), syslog.LOG_PID, syslog.LOG_MAIL)
        syslog.syslog(syslog.LOG_INFO, text.decode("ascii"))


def described(error: Exception) -> bytes:
    """An exception for a log line: what it is and where it was raised, instead of a traceback."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" at {where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where is not None else ""
    return f"{type(error).__name__}: {error}{place}".encode(errors="replace")
