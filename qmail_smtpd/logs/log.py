"""Log lines (SPEC section 12): `PROGRAM ID: text`, one write each, to fd 2 or to syslog.

The ID is the PID; the second session of a process and later ones have PID.N, so that each session has an ID of its own.

Bytes below 32 and above 126 and the backslash are escaped, so that no client can forge a line. Where fd 2 is the
client's socket (inetd) nothing is written there: the same lines go to syslog, facility mail. A line that cannot be
written is dropped: no method here raises anything. The lines are described in qmail-smtpd-log(5), and contrib/fail2ban
reads some of them.
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

ATOMIC = 4096  # bytes that a pipe takes in one piece (PIPE_BUF): lines of concurrent sessions do not mix

output: Output | None = None  # set in resident mode, where a stalled reader of the log must not stop a session

session = 0  # the number of the current session in this process; workers count theirs, 0 elsewhere

_PLAIN = bytes(range(32, 127)).replace(b"\\", b"")


def escaped(text: bytes) -> bytes:
    """`text` with every control byte, non-ASCII byte and backslash written as \\ooo (octal)."""
    if not text.translate(None, _PLAIN):
        return text
    return b"".join(b"%c" % byte if byte in _PLAIN else b"\\%03o" % byte for byte in text)


class Log:
    """Writes the lines whose level is at most `level` (0: none). Addresses and texts are bytes as the client sent
    them; they are escaped here. `syslog`: the lines go there, since fd 2 is the client's socket."""

    def __init__(self, program: bytes, level: int, syslog: bool = False) -> None:
        self.program = program
        self.level = level
        self.syslog = syslog
        self.identify()

    def identify(self) -> None:
        """Set the process and session numbers of the lines; to be called again after a fork."""
        self.pid = posix.getpid()
        self._id = b"%d.%d" % (self.pid, session) if session > 1 else b"%d" % self.pid

    def write(self, level: int, *parts: bytes) -> None:
        """Log the joined parts, if `level` is wanted."""
        if level <= self.level:
            self.line(*parts)

    def line(self, *parts: bytes) -> None:
        """Log the joined parts, whatever the level."""
        text = escaped(b"".join(parts))
        self._emit(text if self.syslog else b"%b %b: %b" % (self.program, self._id, text))

    def _emit(self, text: bytes) -> None:
        if self.syslog:
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
        """Log how many lines were lost before; False if that line cannot be written either."""
        lost, output.lost = output.lost, 0
        self.line(b"%d log lines could not be written" % lost)
        told, output.lost = not output.lost, output.lost and lost
        return told

    def trouble(self, *parts: bytes) -> None:
        """Log the failure of a check: from level 1 on; with LOGFORMAT=json at every level."""
        self.write(FATAL, *parts)

    # The events of a session. JsonLog collects them and writes them in its own form.

    def connected(self, client: Client) -> None:
        self.write(ACCOUNT, b"connection from ", client.ip, b" (", client.host, b") to ", client.local)

    def greeted(self, helo: bytes) -> None:
        """HELO or EHLO was accepted. No line: the name is in the Received field."""

    def encrypted(self, protocol: bytes) -> None:
        self.write(REFUSAL, b"encrypted: ", protocol)

    def sender(self, address: bytes) -> None:
        self.write(ACCOUNT, b"mail from: ", address)

    def recipient(self, address: bytes) -> None:
        self.write(ACCOUNT, b"rcpt to: ", address)

    def refused(self, verb: bytes, address: bytes | None, reply: Reply, check: str) -> None:
        """A command was refused by the check of this name, or ("") by the protocol. `address`: of MAIL or RCPT."""
        where = b" (%b)" % reply.reason if reply.reason else b""
        self.write(REFUSAL, verb, b" refused: ", reply.line(), where, b" <%b>" % address if address else b"")

    def authenticated(self, ip: bytes, user: bytes) -> None:
        self.write(ACCOUNT, b"authentication success, user ", user, b" from ", ip)

    def not_authenticated(self, ip: bytes, user: bytes, reply: Reply) -> None:
        # The address comes before the user name: contrib/fail2ban reads this line, and the client chooses the name.
        self.write(ACCOUNT, b"authentication failed from ", ip, b", user ", user, b": ", reply.line())

    def verified(self, result: bytes, record: bytes) -> None:
        """What SPF, DKIM, DMARC or iprev found, in words, and the record that it comes from, which is long."""
        self.write(ACCOUNT, result)

    def found(self, results: list[Facts]) -> None:
        """What checks found out about the current message; before `queued`, `not_queued` or `discarded`."""

    def filtered(self, result: Facts) -> None:
        """What a filter decided about the message or the session, and how long it took. The caller may still change
        `result` until the message or the session is logged."""

    def queued(self, sender: bytes, recipients: list[bytes], now: int, pid: int, size: int) -> None:
        """The queue program `pid` has taken the message. `now`: seconds since the epoch; `size`: bytes as stored."""
        facts = now, pid, size, len(recipients), sender  # the sender comes last, since the client chooses it
        self.write(ACCOUNT, b"message queued: %d qp %d size %d bytes recipients %d from <%b>" % facts)

    def not_queued(self, sender: bytes, recipients: list[bytes], reply: Reply, size: int, status: int | None) -> None:
        """A message was refused after its final dot: by the queue program, which exited with `status`, or (None) by a
        check or a limit, which is logged by `refused` too."""
        if status is not None:
            self.write(FATAL, b"message not queued: exit %d: " % status, reply.line())

    def discarded(self, sender: bytes, recipients: list[bytes], check: str, size: int) -> None:
        """The client was told that the message is accepted, but `check` had it discarded."""
        what = b"message discarded by %b: from <%b> size %d bytes" % (check.encode(errors="replace"), sender, size)
        self.write(FATAL, what)

    def edited(self, check: str, edits: list[bytes]) -> None:
        """What a check has changed in the message, one line for each change."""
        for line in edits:
            self.write(REFUSAL, check.encode(errors="replace"), b" edits: ", line)

    def ended(self, how: bytes) -> None:
        """The connection is over; `how` is one of the texts in qmail-smtpd-log(5)."""
        self.write(REFUSAL, b"connection ended: ", how)

    def _to_syslog(self, text: bytes) -> None:
        import syslog

        syslog.openlog(self.program.decode(), syslog.LOG_PID, syslog.LOG_MAIL)
        syslog.syslog(syslog.LOG_INFO, text.decode("ascii"))


def described(error: BaseException) -> bytes:
    """An exception as text for a log line: its type, its message, and the file and line that raised it."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" at {where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where is not None else ""
    return f"{type(error).__name__}: {error}{place}".encode(errors="replace")
