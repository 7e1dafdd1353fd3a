"""bin/queue-sendmail: a queue program that hands the message to the system's sendmail (qmail-queue(8)).

Runs `$SENDMAIL` (a path, no arguments; default /usr/sbin/sendmail) once, without a shell, as
`sendmail -i -f SENDER -- RECIPIENT...`, the message on its stdin; the empty sender and `#@[]` are `<>`.
Exit 0 promises that sendmail exited 0. It is never started for an envelope that is cut short (54).

All recipients go to one process, so a message is accepted for all of them or for none. More than one command
line can hold is refused for now with a text. An MTA reads each argument as a *list* of addresses in header
syntax: local parts are quoted where need be, and what no quoting makes one address is refused for good. So is, unless
$RELAYCLIENT says that the client may relay, a recipient with `@`, `%` or `!` in its local part: MTAs follow these to
another host, however they are quoted, and the domain that was let in is not the one they would deliver to.

Sendmail's exit code is translated by OUTCOMES; the last line it printed goes with it as the text. The
message waits in a nameless file in $TMPDIR, else /var/tmp. Memory does not grow with the message.
"""

from __future__ import annotations

import posix

from . import queueprogram as queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

E2BIG = 7
AWAITED = (_signal.SIGCHLD, _signal.SIGALRM, _signal.SIGTERM)

# sysexits(3) -> qmail-queue(8). Only a fault of the message or its addresses is for good: all else may be
# a fault of this machine, and the mail must not be lost for it.
OUTCOMES = {
    64: queue.BUG,  # EX_USAGE
    65: queue.REFUSED,  # EX_DATAERR
    66: queue.READ_ERROR,  # EX_NOINPUT
    67: queue.REFUSED,  # EX_NOUSER
    68: queue.REFUSED,  # EX_NOHOST
    69: queue.TRY_LATER,  # EX_UNAVAILABLE: "a catch-all", says sysexits(3)
    70: queue.BUG,  # EX_SOFTWARE
    71: queue.TRY_LATER,  # EX_OSERR
    72: queue.BAD_CONFIG,  # EX_OSFILE
    73: queue.WRITE_ERROR,  # EX_CANTCREAT
    74: queue.WRITE_ERROR,  # EX_IOERR
    75: queue.TRY_LATER,  # EX_TEMPFAIL
    76: queue.BROKEN_OFF,  # EX_PROTOCOL
    77: queue.TRY_LATER,  # EX_NOPERM: we may not submit, which the postmaster can mend
    78: queue.BAD_CONFIG,  # EX_CONFIG
}

_DOMAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_" + bytes(range(128, 256))
_LITERAL = _DOMAIN[:65] + b":"
_CONTROLS = bytes(range(32)) + b"\x7f"


def main() -> int:
    """The program. Returns its exit code."""
    return queue.run(submit)


def submit() -> None:
    """Read one message and its envelope and give them to sendmail. Raises Failure."""
    folder = posix.environ.get(b"TMPDIR") or b"/var/tmp"
    message = queue.spooled_message(folder)
    sender, recipients = queue.read_envelope()
    if not recipients:
        raise queue.Failure(queue.BAD_ENVELOPE, b"no recipients")
    program = posix.environ.get(b"SENDMAIL") or b"/usr/sbin/sendmail"
    said = queue.nameless_file(folder)
    child = start([program, *arguments(sender, recipients)], message, said)
    judge(wait(child), last_line(said))


def arguments(sender: bytes, recipients: list[bytes]) -> list[bytes]:
    """Sendmail's command line without its name. Raises Failure."""
    bounce = sender in (b"", b"#@[]")
    if b"RELAYCLIENT" not in posix.environ:
        for address in recipients:
            refuse_route(address)
    return [b"-i", b"-f", b"<>" if bounce else one_address(sender), b"--", *map(one_address, recipients)]


def refuse_route(address: bytes) -> None:
    """Raises Failure 31 for an address that an MTA may read as a way to another host."""
    local, at, _ = address.rpartition(b"@")
    if (local if at else address).translate(None, b"@%!") != (local if at else address):
        raise queue.Failure(queue.REFUSED, b"no routing for a client that may not relay: " + address)


def one_address(address: bytes) -> bytes:
    """`address` in a form that cannot be read as two addresses or none. Raises Failure 31."""
    _, at, domain = address.rpartition(b"@")
    literal = domain[:1] == b"[" and domain[-1:] == b"]"
    odd = domain[1:-1].translate(None, _LITERAL) if literal else domain.translate(None, _DOMAIN)
    if not address or len(address.translate(None, _CONTROLS)) < len(address) or (at and (odd or not domain)):
        raise queue.Failure(queue.REFUSED, b"cannot pass on the address " + address)
    return queue.quoted(address)


def start(argv: list[bytes], message: int, said: int) -> int:
    """Start sendmail with `message` as stdin, its output going to `said`. Returns its pid; raises Failure."""
    # An MTA may deliver in the background: it must not keep the caller's error pipe open.
    for fd in queue.ERROR_PIPES:
        try:
            posix.set_inheritable(fd, False)
        except OSError:
            pass
    actions = [(posix.POSIX_SPAWN_DUP2, message, 0)]
    actions += [(posix.POSIX_SPAWN_DUP2, said, fd) for fd in (1, 2)]
    # From here on signals wait for wait() to take them: one that came now would leave a sendmail nobody waits for.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, AWAITED)
    try:
        return posix.posix_spawn(
            argv[0], argv, posix.environ, file_actions=actions, setsigmask=(), setsigdef=queue.CHANGED_SIGNALS
        )
    except OSError as error:
        if error.errno == E2BIG:
            text = b"too many recipients for one message; send it in parts"
        else:
            text = b"cannot run sendmail: " + (error.strerror or "").encode()
        raise queue.Failure(queue.TRY_LATER, text) from error


def wait(child: int) -> int:
    """Sendmail's exit code, negative for a signal. Whoever ends us ends sendmail, and hears its answer."""
    while True:
        if _signal.sigwait(AWAITED) != _signal.SIGCHLD:
            posix.kill(child, _signal.SIGTERM)
        ended, status = posix.waitpid(child, posix.WNOHANG)
        if ended:
            return posix.waitstatus_to_exitcode(status)


def judge(code: int, text: bytes) -> None:
    """Raise the Failure that sendmail's exit code stands for; return if it is 0."""
    if code < 0:
        raise queue.Failure(queue.BUG)
    if code:
        raise queue.Failure(OUTCOMES.get(code, queue.TRY_LATER), text)


def last_line(said: int) -> bytes:
    """The last line with anything in it of what sendmail printed: warnings come first, the reason last."""
    with queue.FailWith(queue.READ_ERROR):
        posix.lseek(said, max(0, posix.fstat(said).st_size - 4096), 0)
        text = posix.read(said, 4096)
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), b"")
