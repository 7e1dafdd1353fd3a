"""Hand a message to qmail-queue (SPEC section 6): start, stream, seal, and what its exit says.

    queue = start(path, env)     raises QueueUnavailable: no pipe or no process to be had
    queue.write(block)           as often as needed; never raises
    queue.finish(envelope, alive) the envelope in pieces; what the program's exit says, for `refusal`
    queue.abandon()              the message ends without an envelope: the program must not accept it

The message goes to fd 0 of the program, the envelope to fd 1; fd 4 and fd 6 are one pipe for a line of error
text, the two conventions in use. The envelope is written only by `finish`, so whatever ends this process or
the session before leaves it incomplete, and that is what makes the queue program itself refuse.

Exit 0 counts only if the program has read all of both: what it left in a pipe, the kernel knows.
"""

from __future__ import annotations

import posix
import select

from ..smtp.replies import Reply, printable
from . import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CANNOT_EXECUTE = 120  # what an unusable program counts as
CANNOT_READ = 54  # what exit 0 counts as if the program did not read everything
TEXTS = (82, 88)  # the exits that say: read my text; the second is that of other families of qmail
ABANDONED_SECONDS = 5.0  # for a program to see that its message ended without an envelope
LARGE = 1 << 20  # bytes from which a message is worth a larger pipe
PIPE_SIZE = 1 << 20
PIECE = 256  # recipients that are given to the program at once
LOOK_AGAIN = 50  # milliseconds between two looks at a program that has not closed its error pipe
ENOENT, EAGAIN, ENOMEM = 2, 11, 12
_LEAST_TEXT, _MAX_TEXT = 3, 255  # bytes, the letter included; what is longer is cut


class QueueUnavailable(Exception):
    """No pipe or process to be had."""


class Queue:
    """A started queue program; `pid` 0 is one that could not be executed and exits CANNOT_EXECUTE.

    Whatever it writes to the error pipe is taken while we write and wait, so that neither waits for the other.
    """

    def __init__(self, pid: int, message: int, envelope: int, errors: int) -> None:
        self.pid = pid
        self.whole = True  # everything written could be written
        self._message = message
        self._envelope = envelope
        self._errors = errors
        self._text = b""
        self._written = 0
        for fd in (message, envelope, errors):
            posix.set_blocking(fd, False)

    def write(self, block: bytes) -> None:
        """Some of the message. A program that stops reading is remembered, the rest goes nowhere."""
        if self.whole and self.pid:
            self.whole = self._write(self._message, block)
            before, self._written = self._written, self._written + len(block)
            if before <= LARGE < self._written:
                _expect_much(self._message)

    def finish(self, envelope: Iterable[bytes], still_there: Callable[[], bool] = lambda: True) -> tuple[int, bytes]:
        """End the message, hand over the envelope, wait: (exit status, error text). -1: ended by a signal.

        `still_there` is asked before the NUL that ends it; if it says no, the envelope stays incomplete.
        """
        self._message = self._end(self._message)
        if self.pid:
            for piece in envelope:
                self.whole = self.whole and self._write(self._envelope, piece)
            self.whole = self.whole and still_there() and self._write(self._envelope, b"\0")
        self._envelope = self._end(self._envelope)
        status = self._wait()
        if status == 0 and not (self.whole and _is_empty(self._message) and _is_empty(self._envelope)):
            status = CANNOT_READ
        self._close()
        return status, self._text

    def abandon(self) -> None:
        """Close everything without an envelope and let the program see it; one that does not end is left to init."""
        self._close()
        if self.pid:
            process.reap(self.pid, ABANDONED_SECONDS)

    def _end(self, pipe: int) -> int:
        """Close the writing end that we have, and keep a reading end to see what is left in the pipe. -1 where there is
        no /proc, so that nobody can tell; where there is no descriptor to be had, nothing counts as read."""
        try:
            return posix.open(b"/proc/self/fd/%d" % pipe, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        except OSError as error:
            self.whole = self.whole and error.errno == ENOENT
            return -1
        finally:
            posix.close(pipe)

    def _close(self) -> None:
        for fd in (self._message, self._envelope, self._errors):
            if fd >= 0:
                posix.close(fd)

    def _write(self, fd: int, data: bytes) -> bool:
        """Whether all could be written; a reader that went away is the usual reason why not."""
        view = memoryview(data)
        while view:
            try:
                view = view[posix.write(fd, view) :]
            except BlockingIOError:
                self._wait_for(fd)
            except OSError:
                return False
        return True

    def _wait_for(self, fd: int) -> None:
        """Until the program reads on, taking what it says meanwhile."""
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if self._listen():
            poll.register(self._errors, select.POLLIN)
        poll.poll()

    def _listen(self) -> bool:
        """Take what there is of the error text; False once there can be no more of it."""
        try:
            while block := posix.read(self._errors, 4096):
                self._text = (self._text + block)[:_MAX_TEXT]
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _wait(self) -> int:
        """The exit status. A child that the program leaves behind may hold the error pipe: nobody waits for that."""
        if not self.pid:
            return CANNOT_EXECUTE
        poll = select.poll()
        poll.register(self._errors, select.POLLIN)
        while self._listen():
            status = process.look(self.pid)
            if status is not None:
                self._listen()
                return status
            poll.poll(LOOK_AGAIN)
        return process.wait(self.pid)


def _is_empty(pipe: int) -> bool:
    """Whether a reader has taken everything."""
    if pipe < 0:
        return True
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return not any(events & select.POLLIN for _, events in poll.poll(0))


def _expect_much(pipe: int) -> None:
    """A large message is coming: half as many turns for us and the queue program."""
    import fcntl

    try:
        fcntl.fcntl(pipe, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_SIZE)
    except OSError:
        pass  # a limit of the system: it goes as it went before
    # Freeing something so large makes malloc keep what each block takes, instead of returning it every time.
    bytes(4 * PIPE_SIZE)


def start(path: bytes, env: dict[bytes, bytes]) -> Queue:
    """Start the queue program: `path` as it is, no arguments, no PATH search. Raises QueueUnavailable."""
    pipes: list[tuple[int, int]] = []
    try:
        for _ in range(3):
            pipes.append(posix.pipe())
        (message_out, message_in), (envelope_out, envelope_in), (errors_out, errors_in) = pipes
        pid = _spawn(path, env, {0: message_out, 1: envelope_out, 4: errors_in, 6: errors_in})
    except OSError as error:
        for pipe in pipes:
            posix.close(pipe[0])
            posix.close(pipe[1])
        raise QueueUnavailable from error
    for fd in (message_out, envelope_out, errors_in):
        posix.close(fd)
    return Queue(pid, message_in, envelope_in, errors_out)


def _spawn(path: bytes, env: dict[bytes, bytes], fds: dict[int, int]) -> int:
    """The pid, or 0 if the file cannot be executed. Raises OSError if no process can be had."""
    try:
        return process.spawn([path], env, fds)
    except OSError as error:
        if error.errno in (EAGAIN, ENOMEM):  # the system, not the file
            raise
        return 0


def envelope(sender: bytes, recipients: list[bytes]) -> Iterator[bytes]:
    """F sender NUL, T recipient NUL for each, in pieces; the NUL that ends it is for `finish` to say."""
    yield b"F%b\0" % sender
    for start in range(0, len(recipients), PIECE):
        yield b"".join(b"T%b\0" % recipient for recipient in recipients[start : start + PIECE])


_PERMANENT = Reply(554, b"this message cannot be queued", b"5.3.0")
_TEMPORARY = Reply(451, b"the queue has trouble", b"4.3.0")
_RESULTS = {
    11: Reply(554, b"envelope address too long for the queue", b"5.1.3"),
    115: Reply(554, b"envelope address too long for the queue", b"5.1.3"),
    31: Reply(554, b"the queue refuses this message", b"5.3.0"),
    51: Reply(451, b"the queue is out of memory", b"4.3.0"),
    52: Reply(451, b"the queue timed out", b"4.3.0"),
    53: Reply(451, b"the queue could not write, its disk may be full", b"4.3.0"),
    54: Reply(451, b"the queue could not read the message", b"4.3.0"),
    55: Reply(451, b"the queue could not read its configuration", b"4.3.0"),
    56: Reply(451, b"the queue has trouble with the network", b"4.3.0"),
    71: Reply(451, b"the mail server refuses for now", b"4.3.0"),
    72: Reply(451, b"the mail server cannot be reached", b"4.4.1"),
    73: Reply(451, b"the mail server cannot be reached", b"4.4.1"),
    74: Reply(451, b"the connection to the mail server broke", b"4.4.2"),
    81: Reply(451, b"the queue has a bug", b"4.3.0"),
    91: Reply(451, b"the queue did not understand the envelope", b"4.3.0"),
    120: Reply(451, b"the queue program cannot be executed", b"4.3.0"),
    **{code: Reply(451, b"the queue has trouble with its files", b"4.3.0") for code in range(61, 67)},
}


def refusal(status: int, text: bytes) -> Reply:
    """What a failed exit is to the client."""
    if status in TEXTS and len(text) >= _LEAST_TEXT:
        return Reply(554 if text.startswith(b"D") else 451, printable(text[1:]))
    if status in _RESULTS:
        return _RESULTS[status]
    return _PERMANENT if 11 <= status <= 40 else _TEMPORARY
