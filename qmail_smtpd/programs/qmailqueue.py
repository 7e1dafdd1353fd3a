"""Hand a message to the queue program, qmail-queue (SPEC section 6).

    queue = start(path, env)                start the program; raises QueueUnavailable without a pipe or process
    queue.write(block)                      a piece of the message; never raises
    queue.finish(envelope, still_there)     hand over the envelope; (exit status, error text): queueexits.py
    queue.abandon()                         end the message without an envelope: the program does not accept it

The message goes to fd 0 of the program, the envelope to fd 1. The program may write a line of error text to fd 4 or
fd 6 (two conventions are in use; both are the same pipe). Only `finish` writes the envelope: if this process or the
session ends earlier, the envelope is incomplete and the queue program refuses the message.

Exit 0 counts only if the program has read the whole message and envelope; the kernel tells what is left in a pipe.
"""

from __future__ import annotations

import posix
import select

from . import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CANNOT_EXECUTE = 120  # the status of a program that cannot be executed
CANNOT_READ = 54  # the status instead of 0 if the program did not read everything
ABANDONED_SECONDS = 5.0  # how long to wait for the end of a program whose message was abandoned
LARGE = 1 << 20  # bytes of a message after which its pipe is made larger
PIPE_SIZE = 1 << 20  # bytes
PIECE = 256  # recipients that are written to the program at once
SMALL = 4096  # bytes that a pipe takes as a whole (PIPE_BUF)
FULL = 1 << 16  # bytes of a message that are written at once: each write wakes the program
LOOK_AGAIN = 50  # milliseconds between two looks at a program that has not closed its error pipe
ENOENT, EAGAIN, ENOMEM = 2, 11, 12
_keeps_memory = False  # whether malloc was made to keep the memory of large messages
_MAX_TEXT = 255  # bytes of the error text, with its first letter; a longer text is cut


class QueueUnavailable(Exception):
    """No pipe or process is available, or the message could not be kept; the cause is in __cause__."""


class Queue:
    """A started queue program; `pid` is 0 if it could not be executed, and `finish` then returns CANNOT_EXECUTE.

    Its error text is read whenever we write or wait, so that the two processes never wait for each other.
    """

    def __init__(self, pid: int, message: int, envelope: int, errors: int) -> None:
        self.pid = pid
        self.whole = True  # every write so far succeeded
        self._message = message
        self._envelope = envelope
        self._errors = errors
        self._text = b""
        self._kept = bytearray()  # of the message, to be written together
        self._written = 0
        for fd in (message, envelope, errors):
            posix.set_blocking(fd, False)

    def write(self, block: bytes) -> None:
        """A piece of the message. If the program stops reading, the rest is dropped and `finish` tells."""
        if len(block) >= FULL and not self._kept:
            self._pass_on(block)
            return
        self._kept += block
        if len(self._kept) >= FULL:
            self._write_kept()

    def _write_kept(self) -> None:
        self._pass_on(self._kept)
        self._kept = bytearray()

    def _pass_on(self, data: bytes | bytearray) -> None:
        if self.whole and self.pid:
            self.whole = self._write(self._message, data)
            before, self._written = self._written, self._written + len(data)
            if before <= LARGE < self._written:
                _expect_much(self._message)

    def finish(self, envelope: Iterable[bytes], still_there: Callable[[], bool] = lambda: True) -> tuple[int, bytes]:
        """End the message, write the envelope (in pieces), wait for the program: (status as in process.py, error text).

        `still_there` is called before the last piece, with which the NUL goes that completes the envelope; only a small
        one, since a large one may have to wait until the program reads. If it returns False the envelope stays
        incomplete, and the program refuses: a client that has left would send the message again.
        """
        self._write_kept()
        self._message = self._end(self._message)
        if self.pid:
            last = b""
            for piece in envelope:
                self.whole = self.whole and self._write(self._envelope, last)
                last = piece
            if len(last) >= SMALL:
                self.whole = self.whole and self._write(self._envelope, last)
                last = b""
            self.whole = self.whole and still_there() and self._write(self._envelope, last + b"\0")
        self._envelope = self._end(self._envelope)
        status = self._wait()
        if status == 0 and not (self.whole and _are_empty(self._message, self._envelope)):
            status = CANNOT_READ
        self._close()
        return status, self._text

    def abandon(self) -> None:
        """Close the pipes without an envelope and wait ABANDONED_SECONDS for the program to end; a program that runs
        longer is not waited for."""
        self._close()
        if self.pid:
            process.reap(self.pid, ABANDONED_SECONDS)

    def _end(self, pipe: int) -> int:
        """Close our writing end of a pipe. Returns a reading end of it, by which we see what the program left unread;
        -1 if there is none. Without /proc that cannot be seen and everything counts as read; without a free
        descriptor nothing does."""
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

    def _write(self, fd: int, data: bytes | bytearray) -> bool:
        """Write everything; False if that fails, usually since the program has closed its end."""
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
        """Wait until the pipe can be written to, or until there is error text, which is read by the next call."""
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if self._listen():
            poll.register(self._errors, select.POLLIN)
        poll.poll()

    def _listen(self) -> bool:
        """Read the error text that has come; False if no more can come."""
        try:
            while block := posix.read(self._errors, 4096):
                self._text = (self._text + block)[:_MAX_TEXT]
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _wait(self) -> int:
        """The status of the program once it ends. The end of the error pipe is not waited for, since a child that the
        program leaves behind may keep it open."""
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


def _are_empty(*pipes: int) -> bool:
    """Whether everything in the pipes was read; they are what Queue._end returned."""
    poll = select.poll()
    for pipe in pipes:
        if pipe >= 0:
            poll.register(pipe, select.POLLIN)
    return not any(events & select.POLLIN for _, events in poll.poll(0))


def _expect_much(pipe: int) -> None:
    """The message is large: make its pipe larger, so that we and the queue program switch half as often."""
    import fcntl

    try:
        fcntl.fcntl(pipe, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_SIZE)
    except OSError:
        pass  # a limit of the system: the pipe keeps its size
    _keep_memory()


def _keep_memory() -> None:
    """Once a large block has been freed, malloc keeps the memory of message blocks for the next ones, instead of
    returning it to the system and asking for it again. A second such block would be among what it keeps."""
    global _keeps_memory
    if not _keeps_memory:
        _keeps_memory = True
        try:
            bytes(4 * PIPE_SIZE)
        except MemoryError:
            pass  # softlimit, ulimit: it only takes more time


def start(path: bytes, env: dict[bytes, bytes]) -> Queue:
    """Start the queue program at `path`, without arguments and without a search in PATH. Raises QueueUnavailable."""
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
    """The pid, or 0 if the file cannot be executed. Raises OSError if the system has no process for it."""
    try:
        return process.spawn([path], env, fds)
    except OSError as error:
        if error.errno in (EAGAIN, ENOMEM):  # the system, not the file
            raise
        return 0


def envelope(sender: bytes, recipients: list[bytes]) -> Iterator[bytes]:
    """The envelope in pieces: F sender NUL, then T recipient NUL for each; `finish` adds the NUL that completes it."""
    starts = range(0, len(recipients), PIECE)
    pieces = (b"".join(b"T%b\0" % recipient for recipient in recipients[start : start + PIECE]) for start in starts)
    yield b"F%b\0" % sender + next(pieces, b"")
    yield from pieces
