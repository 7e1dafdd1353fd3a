"""The client's descriptors: reads with a timeout, buffered writes (SPEC section 1).

Output is buffered and flushed before every wait: a pipelining client gets its replies in one segment, and never waits
for a reply that is still in our buffer. A read or write that makes no progress for `timeout` seconds ends the session.

In resident mode the number of sessions is limited. When no further session could start (`place.crowded`), a client that
has achieved nothing for CROWDED seconds is dropped; see `progress`.

Raises ReadTimeout, SessionTimeout (control/sessiontimeout), and ClientGone (end of input, or a broken connection).
"""

from __future__ import annotations

import posix
import select
from sys import byteorder
from time import monotonic

from ..smtp.errors import ClientGone, ReadTimeout, SessionTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .tls import ClientCertificate

BLOCK = 1 << 17  # bytes; the most that one read returns
# Bytes that a descriptor which polls as writable takes without blocking, be it a pipe or a socket (PIPE_BUF).
PIECE = 4096
LAST_WORD = 5.0  # seconds after the session's deadline in which the client can still read our last reply
FOREVER = 2_000_000  # seconds; poll() accepts no longer timeout
CROWDED = 10.0  # seconds in which a client must achieve something while no further session could start
LOOK_AGAIN = 2.0  # seconds between two calls of place.crowded()
MOST_OWED = 1 << 16  # bytes of replies that are buffered at most
FIONREAD = 0x541B  # the request of ioctl(2) that tells how many bytes can be read


class Layer:
    """The interface of an encryption layer between the session and the raw bytes; tls.Encryption implements it. Texts
    are b"" where nothing is known."""

    version = cipher = cipher_bits = b""  # of TLS
    client: ClientCertificate | None = None  # what it has presented
    verified_as = b""  # the name by which control/tlsclients lists the client's certificate

    def read(self) -> bytes:
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    def readable(self) -> bool:
        """Whether `read` would return without waiting for the client."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def protocol(self) -> bytes:
        """What the Received field says about the encryption."""
        raise NotImplementedError


class Place:
    """The place that a session takes among a limited number. This base class is for a process with one session;
    resident/slots.py has the other. `broken`: the session was ended by an error of ours."""

    broken = False

    def crowded(self) -> bool:
        """Whether no place is left for a further session."""
        return False

    def leave(self) -> None:
        """The session no longer counts against the limits: its client is about to see the end and may connect again
        at once. From now on nothing waits for it."""


class Wire:
    """Input on `fd_in`, output on `fd_out`, in clear until `encryption` is set."""

    def __init__(self, timeout: float, fd_in: int = 0, fd_out: int = 1) -> None:
        self.timeout = timeout
        self.deadline: float | None = None  # by time.monotonic
        self.encryption: Layer | None = None
        self.parting = False  # the last reply was sent, and the client may still be sending: see farewell.py
        self.place = Place()
        self.unread: Callable[[], bool] = lambda: False  # whether the session has input that it has not executed yet
        self._since: float | None = None  # by time.monotonic: when the client last achieved something; None: no limit
        self._in = fd_in
        self._out = fd_out
        self._output: list[bytes] = []
        self._owed = 0  # bytes in _output
        self._input = _poll(fd_in, select.POLLIN)
        self._room = _poll(fd_out, select.POLLOUT)

    # What the session sees

    def limit(self, seconds: int) -> None:
        """End the session `seconds` from now; 0 for no limit."""
        self.deadline = monotonic() + seconds if seconds else None

    def read(self) -> bytes:
        """Flush, then wait for input; the input, decrypted, never empty."""
        self.flush()
        return self.encryption.read() if self.encryption else self.receive()

    def write(self, data: bytes) -> None:
        """Buffer output for the next flush."""
        self._output.append(data)
        self._owed += len(data)
        if self._owed > MOST_OWED:
            self.flush()

    def flush(self) -> None:
        if self._output:
            data = b"".join(self._output)
            self._output.clear()
            self._owed = 0
            if self.encryption:
                self.encryption.write(data)
            else:
                self.send(data)

    def sleep(self, seconds: float) -> None:
        """Make the client wait, after a flush. Raises SessionTimeout (while there is input in our buffer nothing else
        checks it), and ClientGone as soon as the client closes the connection."""
        self.flush()
        if seconds > 0:
            left = FOREVER if self.deadline is None else self.deadline - monotonic()
            if self._leaves(max(0.0, min(seconds, left))):
                raise ClientGone
            if seconds >= left:
                raise SessionTimeout

    def _leaves(self, seconds: float) -> bool:
        """Whether the client closes its connection within `seconds`. On a socket a client that only ended its output
        cannot be told from one that has left: it counts as present while it has sent commands that are not executed
        yet, as scripts do; on a pipe it always does."""
        end = monotonic() + seconds
        if not _ready(_poll(self._out, select.POLLRDHUP), seconds):
            return False
        decrypting = self.encryption is not None and self.encryption.readable()
        if not (self.unread() or decrypting or self._bytes_to_read()):
            return True
        return _ready(_poll(self._out, 0), max(0.0, end - monotonic()))

    def _bytes_to_read(self) -> int:
        from fcntl import ioctl

        try:
            return int.from_bytes(ioctl(self._in, FIONREAD, bytes(4)), byteorder)
        except OSError:  # a device
            return 0

    def has_left(self) -> bool:
        """Whether the client has closed its connection, for checks that make it wait."""
        return self._leaves(0)

    def progress(self, waiting: bool = True) -> None:
        """The client has achieved something: its CROWDED seconds begin anew. With `waiting` False they do not run at
        all, as while it sends a message, which has limits of its own."""
        self._since = monotonic() if waiting else None

    def readable(self, seconds: float) -> bool:
        """Flush; whether input, or the end of input, comes within `seconds`."""
        self.flush()
        if self.encryption and self.encryption.readable():
            return True
        return _ready(self._input, seconds)

    def peer_is_there(self) -> bool:
        """False once the connection is known to be closed in both directions. A client that only stopped sending is
        still there."""
        return not _ready(_poll(self._out, 0), 0)

    def part(self, quiet: bool = False) -> None:
        """Flush the last reply and end the encryption. `quiet`: more input is unlikely, since the client has sent QUIT
        or nothing at all."""
        has_gone = quiet and not _ready(self._input, 0)
        takes_all = has_gone and self._takes_all()
        if takes_all:
            self.place.leave()
        self.flush()
        if self.encryption and (not takes_all or _ready(self._room, 0)):
            self.encryption.close()
        if has_gone and not takes_all:  # it kept its place while it had to read first
            self.place.leave()
        self.parting = not has_gone and (not quiet or self._has_more())

    def _takes_all(self) -> bool:
        """Whether the rest of our output, also encrypted, is one write, and can be made without waiting."""
        return self._owed <= PIECE // 2 and _ready(self._room, 0)

    def _has_more(self) -> bool:
        """Whether there is input beyond what we have read."""
        try:
            return _ready(self._input, 0) and bool(posix.read(self._in, BLOCK))
        except OSError:
            return False

    def farewell(self) -> None:
        """To be called before the connection is closed: see farewell.py. Raises nothing."""
        if self.parting:
            from .farewell import linger

            linger(self._in, self._out)

    # What goes over the descriptors, also for a Layer

    def receive(self, deadline: float | None = None) -> bytes:
        """The next raw input, never empty; `deadline` (time.monotonic) may end the wait sooner than the timeout."""
        now = monotonic()
        if not self._comes(self._input, now, self._end(now, deadline)):
            raise SessionTimeout if self._overdue() else ReadTimeout
        try:
            data = posix.read(self._in, BLOCK)
        except OSError as error:
            raise ClientGone from error
        if not data:
            raise ClientGone
        return data

    def _end(self, now: float, deadline: float | None) -> float:
        """When a wait for input that begins now must end. Raises SessionTimeout if the session must."""
        end = now + self.timeout
        if self.deadline is not None:
            if self.deadline <= now:
                raise SessionTimeout
            end = min(end, self.deadline)
        return end if deadline is None else min(end, deadline)

    def _comes(self, awaited: select.poll, now: float, end: float) -> bool:
        """Whether the client does what is awaited until `end`. False earlier if it has achieved nothing for CROWDED
        seconds and its place is needed."""
        while self._since is not None:
            own = self._since + CROWDED - now  # seconds that the client has in any case
            if own <= 0 and self.place.crowded():
                return False
            wait = max(own, LOOK_AGAIN)
            if end - now <= wait:
                break
            if _ready(awaited, wait):
                return True
            now = monotonic()
        return _ready(awaited, max(0.0, end - now))

    def send(self, data: bytes) -> None:
        """Write all of `data`, unencrypted. Raises ClientGone, also for a client that reads nothing until the timeout,
        the session's deadline or the end of its CROWDED seconds: it could not read a reply either."""
        view = memoryview(data)
        while view:
            if not (_ready(self._room, 0) or self._makes_room()):
                raise ClientGone
            try:
                view = view[posix.write(self._out, view[:PIECE]) :]
            except OSError as error:
                raise ClientGone from error

    def _makes_room(self) -> bool:
        """Wait until the client has read enough of what we have sent; False if it does not."""
        now = monotonic()
        end = now + self.timeout
        return self._comes(self._room, now, end if self.deadline is None else min(end, self.deadline + LAST_WORD))

    def _overdue(self) -> bool:
        return self.deadline is not None and monotonic() >= self.deadline


def _poll(fd: int, events: int) -> select.poll:
    poll = select.poll()
    poll.register(fd, events)
    return poll


def _ready(poll: select.poll, seconds: float) -> bool:
    """Whether one of its events comes within `seconds`."""
    return bool(poll.poll(min(seconds, FOREVER) * 1000))
