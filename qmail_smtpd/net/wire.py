"""The client's descriptors: timed reads, buffered writes (SPEC section 1).

Promises: what was written is flushed before every wait, so a pipelining client gets its replies in one
segment and nobody waits for a reply that lies in our buffer. A read or write that makes no progress for
`timeout` seconds ends the session, whatever the peer does.

When every place is taken (`place`), that time is CROWDED seconds, and runs from what the client last achieved.

Raises: ReadTimeout, SessionTimeout (control/sessiontimeout), ClientGone (end of input, or an error).
"""

from __future__ import annotations

import posix
import select
from time import monotonic

from ..smtp.errors import ClientGone, ReadTimeout, SessionTimeout

BLOCK = 1 << 17  # bytes asked for by one read
# A descriptor that polls as writable takes this much without blocking, pipe or socket (PIPE_BUF and below).
PIECE = 4096
LAST_WORD = 5.0  # seconds beyond the session's deadline in which a client can take our last reply
FOREVER = 2_000_000  # seconds; poll takes no more
CROWDED = 10.0  # seconds that a client has to get somewhere when others wait for its place
LOOK_AGAIN = 2.0  # seconds between two looks whether they do
MOST_OWED = 1 << 16  # bytes of replies that may wait for the next flush


class Layer:
    """What may lie between the session and the raw bytes: see tls.py."""

    verified_as = b""  # the listed name of the client's certificate

    def read(self) -> bytes:
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    def readable(self) -> bool:
        """Whether decrypted input is there already."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def protocol(self) -> bytes:
        """What the trace header says of it."""
        raise NotImplementedError


class Place:
    """The place of a session among those that are served: here of one that is alone."""

    def crowded(self) -> bool:
        """Whether no other place is free."""
        return False

    def leave(self) -> None:
        """The client is about to see the end, and may come again at once: it counts no more."""


class Wire:
    """Input on `fd_in`, output on `fd_out`, in clear until `encryption` is set."""

    def __init__(self, timeout: float, fd_in: int = 0, fd_out: int = 1) -> None:
        self.timeout = timeout
        self.deadline: float | None = None  # by time.monotonic
        self.encryption: Layer | None = None
        self.parting = False  # the client has our last word, and may be speaking still: see farewell.py
        self.place = Place()
        self._since: float | None = None  # by time.monotonic, when the client got somewhere; None: nobody hurries it
        self._in = fd_in
        self._out = fd_out
        self._output: list[bytes] = []
        self._owed = 0  # bytes in _output

    # What the session sees

    def limit(self, seconds: int) -> None:
        """End the session after so many seconds from now; 0 for no limit."""
        self.deadline = monotonic() + seconds if seconds else None

    def read(self) -> bytes:
        """Flush, then the next input, decrypted if need be; never empty."""
        self.flush()
        return self.encryption.read() if self.encryption else self.receive()

    def write(self, data: bytes) -> None:
        """Queue for the next flush."""
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
        """A penalty for the client: it gets what it is owed first. Raises SessionTimeout: while input lies in the
        buffer nothing else would notice how long a session lasts. Raises ClientGone as soon as it is."""
        self.flush()
        if seconds > 0:
            left = FOREVER if self.deadline is None else self.deadline - monotonic()
            if self._leaves(max(0.0, min(seconds, left))):
                raise ClientGone
            if seconds >= left:
                raise SessionTimeout

    def _leaves(self, seconds: float) -> bool:
        """Whether the client closes its connection within `seconds`. One of a pipe that only stopped sending is there;
        of a socket it is not told from one that left."""
        return self._ready(self._out, select.POLLRDHUP, seconds)

    def has_left(self) -> bool:
        """The same, now: for whoever makes the client wait."""
        return self._leaves(0)

    def progress(self, waiting: bool = True) -> None:
        """The client has got somewhere: from now on its time runs, should others wait for its place. Not `waiting`: it
        sends a message, which has limits of its own."""
        self._since = monotonic() if waiting else None

    def readable(self, seconds: float) -> bool:
        """Whether input (or its end) is there within `seconds`. Flushes."""
        self.flush()
        if self.encryption and self.encryption.readable():
            return True
        return self._ready(self._in, select.POLLIN, seconds)

    def peer_is_there(self) -> bool:
        """False once the connection is known to be dead both ways. A client that only stopped sending is there."""
        poll = select.poll()
        poll.register(self._out, 0)
        return not poll.poll(0)

    def part(self, quiet: bool = False) -> None:
        """The last word is said. `quiet`: the client has hardly more to say: it wanted this, or is silent anyway."""
        has_gone = quiet and not self._ready(self._in, select.POLLIN, 0)
        if has_gone:
            self.place.leave()
        self.flush()
        if self.encryption:
            self.encryption.close()
        self.parting = not has_gone and (not quiet or self._has_more())

    def _has_more(self) -> bool:
        """Whether there is input beyond what we have read."""
        try:
            return self._ready(self._in, select.POLLIN, 0) and bool(posix.read(self._in, BLOCK))
        except OSError:
            return False

    def farewell(self) -> None:
        """Before the connection is closed: see farewell.py."""
        if self.parting:
            from .farewell import linger

            linger(self._in, self._out)

    # What goes over the descriptors, also for a Layer

    def receive(self, deadline: float | None = None) -> bytes:
        """The next raw input, never empty; `deadline` (time.monotonic) may end the wait sooner than the timeout."""
        timeout = self._time_left()
        if deadline is not None:
            timeout = min(timeout, max(0.0, deadline - monotonic()))
        if not self._comes(timeout):
            raise SessionTimeout if self._overdue() else ReadTimeout
        try:
            data = posix.read(self._in, BLOCK)
        except OSError as error:
            raise ClientGone from error
        if not data:
            raise ClientGone
        return data

    def _comes(self, seconds: float) -> bool:
        """Whether input comes within `seconds`, and before others want the place of a client that gets nowhere."""
        end = monotonic() + seconds
        while self._since is not None:
            now = monotonic()
            own = self._since + CROWDED - now  # until then nobody hurries it
            if own <= 0 and self.place.crowded():
                return False
            wait = max(own, LOOK_AGAIN)
            if end - now <= wait:
                break
            if self._ready(self._in, select.POLLIN, wait):
                return True
        return self._ready(self._in, select.POLLIN, max(0.0, end - monotonic()))

    def send(self, data: bytes) -> None:
        """Raw output, all of it, within the session's time; there is no reply to a client that does not read."""
        view = memoryview(data)
        while view:
            left = self.timeout if self.deadline is None else self.deadline + LAST_WORD - monotonic()
            if not self._ready(self._out, select.POLLOUT, max(0.0, min(self.timeout, left))):
                raise ClientGone
            try:
                view = view[posix.write(self._out, view[:PIECE]) :]
            except OSError as error:
                raise ClientGone from error

    def _time_left(self) -> float:
        if self.deadline is None:
            return self.timeout
        left = self.deadline - monotonic()
        if left <= 0:
            raise SessionTimeout
        return min(self.timeout, left)

    def _overdue(self) -> bool:
        return self.deadline is not None and monotonic() >= self.deadline

    @staticmethod
    def _ready(fd: int, events: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(fd, events)
        return bool(poll.poll(min(seconds, FOREVER) * 1000))
