"""bin/queue-sendmail: a queue program that hands the message to the system's sendmail (qmail-queue(8)).

Runs `$SENDMAIL` (a path without arguments; default /usr/sbin/sendmail) once, without a shell, as
`sendmail -i -f SENDER -- RECIPIENT...`, with the message on its stdin; the empty sender and `#@[]` become `<>`. Exit 0
promises that sendmail exited 0. It is never started if the envelope is incomplete (54).

All recipients are given to one process, so a message is accepted for all of them or for none. More recipients than fit
into a command line are deferred, with a text. A sendmail reads each argument as a *list* of addresses in header syntax:
local parts are quoted if necessary, and what cannot be made a single address by quoting is refused for good. Unless
$RELAYCLIENT is set, so is a recipient with `@`, `%` or `!` in its local part: MTAs may deliver it to another host,
quoted or not, although only the domain behind the last `@` was checked.

OUTCOMES translates sendmail's exit code; the last line that it printed becomes the text. The message is kept in a
nameless file in $TMPDIR, else /var/tmp. Memory does not grow with the message.
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

# sysexits(3) -> qmail-queue(8). Only errors of the message or its addresses are permanent: all others may be errors of
# this machine, for which no mail must be lost.
OUTCOMES = {
    64: queue.BUG,  # EX_USAGE
    65: queue.REFUSED,  # EX_DATAERR
    66: queue.READ_ERROR,  # EX_NOINPUT
    67: queue.REFUSED,  # EX_NOUSER
    68: queue.REFUSED,  # EX_NOHOST
    69: queue.TRY_LATER,  # EX_UNAVAILABLE: can mean anything
    70: queue.BUG,  # EX_SOFTWARE
    71: queue.TRY_LATER,  # EX_OSERR
    72: queue.BAD_CONFIG,  # EX_OSFILE
    73: queue.WRITE_ERROR,  # EX_CANTCREAT
    74: queue.WRITE_ERROR,  # EX_IOERR
    75: queue.TRY_LATER,  # EX_TEMPFAIL
    76: queue.BROKEN_OFF,  # EX_PROTOCOL
    77: queue.TRY_LATER,  # EX_NOPERM: we may not submit mail, which the administrator can change
    78: queue.BAD_CONFIG,  # EX_CONFIG
}

_DOMAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_" + bytes(range(128, 256))
_LITERAL = _DOMAIN[:65] + b":"
_CONTROLS = bytes(range(32)) + b"\x7f"


def main() -> int:
    """The program. Returns its exit code."""
    return queue.run(submit)


def submit() -> None:
    """Read one message and its envelope, and pass them to sendmail. Raises Failure."""
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
    """Raises Failure 31 for an address that an MTA might deliver to another host than that of its domain."""
    local, at, _ = address.rpartition(b"@")
    if (local if at else address).translate(None, b"@%!") != (local if at else address):
        raise queue.Failure(queue.REFUSED, b"no routing by @, % or ! for a client that may not relay: " + address)


def one_address(address: bytes) -> bytes:
    """`address` in a form that sendmail must read as exactly one address. Raises Failure 31."""
    _, at, domain = address.rpartition(b"@")
    literal = domain[:1] == b"[" and domain[-1:] == b"]"
    odd = domain[1:-1].translate(None, _LITERAL) if literal else domain.translate(None, _DOMAIN)
    if not address or len(address.translate(None, _CONTROLS)) < len(address) or (at and (odd or not domain)):
        raise queue.Failure(queue.REFUSED, b"cannot pass on the address " + address)
    return queue.quoted(address)


def start(argv: list[bytes], message: int, said: int) -> int:
    """Start sendmail with the file `message` as stdin and `said` as stdout and stderr; its pid. Raises Failure."""
    # An MTA may go on delivering in the background: it must not keep the caller's error pipe open.
    for fd in queue.ERROR_PIPES:
        try:
            posix.set_inheritable(fd, False)
        except OSError:
            pass
    actions = [(posix.POSIX_SPAWN_DUP2, message, 0)]
    actions += [(posix.POSIX_SPAWN_DUP2, said, fd) for fd in (1, 2)]
    # From here on signals are blocked until wait() takes them: one that came now would end us without sendmail.
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
    """Sendmail's exit code, negative for a signal. SIGTERM and SIGALRM are passed on to sendmail, whose exit code still
    is the outcome."""
    while True:
        if _signal.sigwait(AWAITED) != _signal.SIGCHLD:
            posix.kill(child, _signal.SIGTERM)
        ended, status = posix.waitpid(child, posix.WNOHANG)
        if ended:
            return posix.waitstatus_to_exitcode(status)


def judge(code: int, text: bytes) -> None:
    """Raise the Failure for sendmail's exit code; return if it is 0."""
    if code < 0:
        raise queue.Failure(queue.BUG)
    if code:
        raise queue.Failure(OUTCOMES.get(code, queue.TRY_LATER), text)


def last_line(said: int) -> bytes:
    """The last non-empty line that sendmail printed: warnings come first, the reason for a failure last."""
    with queue.FailWith(queue.READ_ERROR):
        posix.lseek(said, max(0, posix.fstat(said).st_size - 4096), 0)
        text = posix.read(said, 4096)
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), b"")
