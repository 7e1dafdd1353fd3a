"""Log lines (SPEC section 12): `PROGRAM ID: text`, one write each, to fd 2 or to syslog.

The ID is the PID; for the second session of a process and later ones it is PID.N, so that it is one session's alone.

Bytes below 32 and above 126 and the backslash are escaped, so that no client can forge a line. Under a
super-server that hands the client socket to fd 2 nothing may be written there: the same lines go
to syslog then, facility mail. Losing a line never ends a session.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..smtp.client import Client
    from ..smtp.replies import Reply
    from .output import Output

    Facts = dict[str, "str | bytes | int | float | bool | None"]

FATAL, ACCOUNT, REFUSAL, COMMAND = 1, 2, 3, 4  # the levels of LOGLEVEL

ATOMIC = 4096  # bytes that a pipe takes at once (PIPE_BUF): lines of sessions side by side stay whole

output: Output | None = None  # set where nobody may wait for the reader of the log; else fd 2 as it is

session = 0  # which one of this process it is, where a process has several: a worker counts

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
        self._id = b"%d.%d" % (self.pid, session) if session > 1 else b"%d" % self.pid
        self._syslog = syslog

    def write(self, level: int, *parts: bytes) -> None:
        """Log the joined parts, if `level` is wanted."""
        if level <= self.level:
            self.line(*parts)

    def line(self, *parts: bytes) -> None:
        """Log the joined parts, whatever the level."""
        text = escaped(b"".join(parts))
        self._emit(text if self._syslog else b"%b %b: %b" % (self.program, self._id, text))

    def _emit(self, text: bytes) -> None:
        if self._syslog:
            self._to_syslog(text)
            return
        line = text[: ATOMIC - 1] + b"\n"
        if output is None:
            try:
                posix.write(2, line)
            except OSError:
                pass  # a full or closed log must not cost a message
        elif not output.lost or self._tells_of_loss(output):
            output.write(line)
        else:
            output.lost += 1

    def _tells_of_loss(self, output: Output) -> bool:
        """Say how many lines could not be written, now that one can; False if it cannot."""
        lost, output.lost = output.lost, 0
        self.line(b"%d log lines could not be written" % lost)
        told, output.lost = not output.lost, output.lost and lost
        return told

    def trouble(self, *parts: bytes) -> None:
        """Log what kept a check from its work: from level 1 on; LOGFORMAT=json tells it at every level."""
        self.write(FATAL, *parts)

    # What a session tells, in plain facts. jsonlog.py remembers and tells them in its own way.

    def connected(self, client: Client) -> None:
        self.write(ACCOUNT, b"connection from ", client.ip, b" (", client.host, b") to ", client.local)

    def greeted(self, helo: bytes) -> None:
        """HELO or EHLO; the trace header shows it."""

    def encrypted(self, protocol: bytes) -> None:
        self.write(REFUSAL, b"encrypted: ", protocol)

    def sender(self, address: bytes) -> None:
        self.write(ACCOUNT, b"mail from: ", address)

    def recipient(self, address: bytes) -> None:
        self.write(ACCOUNT, b"rcpt to: ", address)

    def refused(self, verb: bytes, address: bytes | None, reply: Reply, check: str) -> None:
        """By policy: by a check, or ("") by the rules of the protocol."""
        where = b" (%b)" % reply.reason if reply.reason else b""
        self.write(REFUSAL, verb, b" refused: ", reply.line(), where, b" <%b>" % address if address else b"")

    def authenticated(self, ip: bytes, user: bytes) -> None:
        self.write(ACCOUNT, b"authentication success, user ", user, b" from ", ip)

    def not_authenticated(self, ip: bytes, user: bytes, reply: Reply) -> None:
        # The address before the user: contrib/fail2ban reads this line, and a client chooses its user name.
        self.write(ACCOUNT, b"authentication failed from ", ip, b", user ", user, b": ", reply.line())

    def found(self, results: list[Facts]) -> None:
        """What checks found out about the message whose fate is told next."""

    def filtered(self, result: Facts) -> None:
        """What a filter says of the message or of the session, and how long it takes; it may still change until the
        fate of either is told."""

    def queued(self, sender: bytes, recipients: list[bytes], now: int, pid: int, size: int) -> None:
        facts = now, pid, size, len(recipients), sender  # the sender last: its client has chosen it
        self.write(ACCOUNT, b"message queued: %d qp %d size %d bytes recipients %d from <%b>" % facts)

    def not_queued(self, sender: bytes, recipients: list[bytes], reply: Reply, size: int, status: int | None) -> None:
        """After the final dot: by the queue program with its exit status, or (None) by us, told as `refused` too."""
        if status is not None:
            self.write(FATAL, b"message not queued: exit %d: " % status, reply.line())

    def discarded(self, sender: bytes, recipients: list[bytes], check: str, size: int) -> None:
        """Accepted and not queued, as `check` wants it."""
        what = b"message discarded by %b: from <%b> size %d bytes" % (check.encode(errors="replace"), sender, size)
        self.write(FATAL, what)

    def edited(self, check: str, edits: list[bytes]) -> None:
        """What a check has changed of the message, a line each."""
        for line in edits:
            self.write(REFUSAL, check.encode(errors="replace"), b" edits: ", line)

    def ended(self, how: bytes) -> None:
        self.write(REFUSAL, b"connection ended: ", how)

    def _to_syslog(self, text: bytes) -> None:
        import syslog

        syslog.openlog(self.program.decode(), syslog.LOG_PID, syslog.LOG_MAIL)
        syslog.syslog(syslog.LOG_INFO, text.decode("ascii"))


def described(error: BaseException) -> bytes:
    """An exception for a log line: what it is and where it was raised, instead of a traceback."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" at {where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where is not None else ""
    return f"{type(error).__name__}: {error}{place}".encode(errors="replace")
