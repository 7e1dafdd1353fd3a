"""What all programs that take the place of qmail-queue have in common: qmail-queue(8), SPEC section 6.

The message is read from fd 0 to its end, then the envelope from fd 1: `F` sender NUL, `T` recipient NUL for each, NUL.
The exit code is the outcome; 0 is a promise to deliver. Nothing is written to fd 2, which may be the client's socket.

`run(work)` returns an exit code whatever happens in `work`: that of a Failure, 51 if memory is short, 52 for SIGALRM
after 24 hours, 71 for SIGTERM, 81 for any other exception. The text of a Failure is written to the error pipe (fd 4 or
fd 6, two conventions are in use), with exit code 82; without such a pipe only the code is returned.
"""

from __future__ import annotations

import posix
from stat import S_ISFIFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from types import TracebackType
else:
    import _signal  # what `signal` wraps, at a tenth of the start-up

ADDRESS_TOO_LONG, REFUSED = 11, 31
NO_MEMORY, TIMEOUT, WRITE_ERROR, READ_ERROR, BAD_CONFIG = 51, 52, 53, 54, 55
HOME_TROUBLE, FOLDER_TROUBLE, SPOOL_TROUBLE, FILE_TROUBLE, COMMIT_TROUBLE = 61, 62, 63, 64, 66
TRY_LATER, BROKEN_OFF, TEXT, BUG, BAD_ENVELOPE = 71, 74, 82, 81, 91

BLOCK = 65536
LONGEST_ADDRESS = 1002  # qmail-queue's limit, in bytes
LARGEST_ENVELOPE = 8 << 20  # bytes, unless control/maxenvelope in the working directory sets another limit
MESSAGE_TIMEOUT = 86400  # seconds that a message may take, as in qmail-queue
ERROR_PIPES = (4, 6)
LONGEST_TEXT = 255  # bytes of an error text, its first letter included; receivers read no more

# Bytes of an RFC 5321 atom; those above 127 are UTF-8 (RFC 6531).
_ATEXT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~" + bytes(range(128, 256))
_PRINTABLE = bytes(byte if 32 <= byte < 127 else 32 for byte in range(256))

_IGNORED = (_signal.SIGINT, _signal.SIGHUP, _signal.SIGQUIT)
_CAUGHT = (_signal.SIGALRM, _signal.SIGTERM)
CHANGED_SIGNALS = (*_IGNORED, *_CAUGHT, _signal.SIGPIPE, _signal.SIGXFSZ)  # to be reset in a child


class Failure(Exception):
    """The message is not accepted: an exit code of qmail-queue(8) and, unless empty, a text for the sender."""

    def __init__(self, code: int, text: bytes = b"") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class FailWith:
    """`with FailWith(code):` turns an OSError of the block into Failure(code)."""

    def __init__(self, code: int) -> None:
        self.code = code

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise Failure(self.code) from error


def run(work: Callable[[], None]) -> int:
    """Do `work` under the rules above and return the exit code."""
    pipe = error_pipe()
    try:
        _watch_signals()
        with FailWith(READ_ERROR):
            # If one of them were closed, the next file that we open would get its number.
            posix.fstat(0)
            posix.fstat(1)
        work()
        return 0
    except Failure as failure:
        return _report(failure, pipe)
    except MemoryError:
        return NO_MEMORY
    except BaseException:
        return BUG


def _watch_signals() -> None:
    # Signals of a terminal end the receiver; we then read a message without an envelope, and refuse it.
    for number in _IGNORED:
        _signal.signal(number, _signal.SIG_IGN)
    _signal.signal(_signal.SIGALRM, _timed_out)
    _signal.signal(_signal.SIGTERM, _terminated)
    _signal.alarm(MESSAGE_TIMEOUT)


def _timed_out(*_: object) -> None:
    raise Failure(TIMEOUT)


def _terminated(*_: object) -> None:
    raise Failure(TRY_LATER)


def point_of_no_return() -> None:
    """Ignore signals from here on, so that the exit code is that of the outcome."""
    for number in _CAUGHT:
        _signal.signal(number, _signal.SIG_IGN)


def error_pipe() -> int | None:
    """The descriptor for an error text, None without one. Must be called before any file is opened."""
    for fd in ERROR_PIPES:
        try:
            if S_ISFIFO(posix.fstat(fd).st_mode):
                return fd
        except OSError:
            pass
    return None


def _report(failure: Failure, pipe: int | None) -> int:
    """Write the error text to the pipe, if there are both. Returns the exit code."""
    if pipe is None or not failure.text:
        return failure.code
    letter = b"D" if 11 <= failure.code <= 40 else b"Z"
    text = failure.text.translate(_PRINTABLE).strip()
    try:
        write(pipe, (letter + text)[:LONGEST_TEXT])
    except OSError:
        return failure.code
    return TEXT


def write(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[posix.write(fd, view) :]


def copy(source: int, target: int) -> None:
    """Copy to the end of `source`, block by block. Raises Failure 53 or 54."""
    while True:
        with FailWith(READ_ERROR):
            block = posix.read(source, BLOCK)
        if not block:
            return
        with FailWith(WRITE_ERROR):
            write(target, block)


def unique_name() -> bytes:
    """A file name that no other process uses, on any machine."""
    import time

    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    host = posix.uname().nodename.encode("utf-8", "surrogateescape")
    host = host.replace(b"/", b"\\057").replace(b":", b"\\072")
    parts = (seconds, nanoseconds // 1000, posix.getpid(), posix.urandom(8).hex().encode(), host)
    return b"%d.M%dP%dR%b.%b" % parts


def create(path: bytes) -> int:
    """A new file that only its owner can read. Raises OSError."""
    return posix.open(path, posix.O_RDWR | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o600)


def nameless_file(folder: bytes) -> int:
    """A new file without a name, which disappears when this process ends. Raises Failure 63."""
    with FailWith(SPOOL_TROUBLE):
        path = folder + b"/" + unique_name()
        fd = create(path)
        posix.unlink(path)
    return fd


def spooled_message(folder: bytes) -> int:
    """The whole message from fd 0, in a nameless file of `folder`, with the offset at 0. Raises Failure."""
    fd = nameless_file(folder)
    copy(0, fd)
    posix.lseek(fd, 0, 0)
    return fd


def largest_envelope() -> float:
    """The most bytes that the envelope may have: control/maxenvelope for the recipients, and room for the sender."""
    try:
        fd = posix.open("control/maxenvelope", posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK)
        try:
            digits = posix.read(fd, 20).partition(b"\n")[0].strip()
        finally:
            posix.close(fd)
    except OSError:
        digits = b""
    most = int(digits) if digits.isdigit() else LARGEST_ENVELOPE
    return most + LONGEST_ADDRESS + 3 if most else float("inf")


def read_envelope() -> tuple[bytes, list[bytes]]:
    """The sender and the recipients from fd 1.

    Raises Failure: 54 if the envelope is incomplete, 91 for a wrong letter, 11 for an address longer than
    LONGEST_ADDRESS, 71 if the envelope is larger than the receiver allows (largest_envelope).
    """
    addresses: list[bytes] = []
    pending, left = b"", largest_envelope()
    while True:
        with FailWith(READ_ERROR):
            block = posix.read(1, BLOCK)
        if not block:
            raise Failure(READ_ERROR)
        left -= len(block)
        if left < 0:
            raise Failure(TRY_LATER, b"too many recipients for one message; send it in parts")
        *fields, pending = (pending + block).split(b"\0")
        for field in fields:
            if not field and addresses:
                return addresses[0], addresses[1:]
            _check_field(field or b"\0", not addresses)
            addresses.append(field[1:])
        if pending:
            _check_field(pending, not addresses)


def _check_field(field: bytes, first: bool) -> None:
    if field[:1] != (b"F" if first else b"T"):
        raise Failure(BAD_ENVELOPE)
    if len(field) > 1 + LONGEST_ADDRESS:
        raise Failure(ADDRESS_TOO_LONG)


def quoted(address: bytes) -> bytes:
    """`address` in the syntax of RFC 5321: a local part that is no dot-atom is put in double quotes."""
    local, at, domain = address.rpartition(b"@")
    if not at:
        local, domain = address, b""
    atoms = local.split(b".")
    if not address or all(atom and not atom.translate(None, _ATEXT) for atom in atoms):
        return address
    return b'"%b"%b%b' % (local.replace(b"\\", b"\\\\").replace(b'"', b'\\"'), at, domain)
