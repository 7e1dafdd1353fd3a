"""Which clients are being served: a table with an entry for each child, in memory that parent and children share.

    slots.reserve()             in the parent: the number of a free entry for a new child; None if there is none
    slots.ready(number)         in a worker: it waits for a client
    slots.admit(number, ip)     after accepting: enter the client; False if its address has as many as it may have
    slots.release(number)       in the serving process: its client counts no longer for its address
    slots.leave(number)         in the serving process: the same, and it will soon be ready for the next client
    slots.free(number)          in the parent: the child has ended
    slots.close(), open()       in the parent: no worker may accept from now on; they may again
    slots.somebody_comes()      whether a worker waits for a client, or will sooner than another one can start
    slots.crowded()             whether every entry has a client
    slots.place(number)         an object with `crowded` and `leave`, for a session

A process that accepts and then admits holds `slots.lock` meanwhile: so two clients of one address are counted one
after the other, and no worker accepts after `close`. The kernel releases the lock of a process that dies.
"""

from __future__ import annotations

import fcntl
import mmap
import posix

from ..net.wire import Place
from ..session import sitecheckers
from ..smtp.ip import network, parse, text

FREE, STARTING, IDLE, BUSY, LEAVING = b"\0", b"s", b"i", b"b", b"l"
COMING = (STARTING, IDLE, LEAVING)  # ready for a client now, or in less time than another process takes to start
SIZE = 64  # bytes of an entry: its state, then `<address>` if it has a client, then NULs
ONE_CLIENT = 64  # bits of an IPv6 address that count as one client
CLOSED = 0  # where the flag of `close` is; the entries begin at SIZE


class Slots:
    """A table of `count` entries, with at most `most_per_address` clients of one address (0: no limit)."""

    def __init__(self, count: int, most_per_address: int) -> None:
        self.count = count
        self._most = most_per_address
        self._memory = mmap.mmap(-1, SIZE * (count + 1))  # shared over a fork
        self.lock = Lock()

    def reserve(self) -> int | None:
        number = self._states().find(FREE)
        if number < 0:
            return None
        self._write(number, STARTING)
        return number

    def ready(self, number: int) -> None:
        self._write(number, IDLE)

    def admit(self, number: int, ip: bytes) -> bool:
        """See the module's docstring. An empty `ip` (the connection is not TCP) is always admitted."""
        entry = b"<%b>" % counted_as(ip) if ip else b""
        if entry and self._most and self._memory[:].count(entry) >= self._most:
            return False
        self._write(number, BUSY + entry)
        return True

    def enter(self, number: int, ip: bytes) -> None:
        """Enter a session that goes on after SIGHUP, even if the limit is lower now."""
        self._write(number, BUSY + (b"<%b>" % counted_as(ip) if ip else b""))

    def release(self, number: int) -> None:
        self._write(number, BUSY)

    def leave(self, number: int) -> None:
        self._write(number, LEAVING)

    def free(self, number: int) -> None:
        self._write(number, FREE)

    def is_busy(self, number: int) -> bool:
        """Whether it has a client, if only one that is about to be let go."""
        return self._state(number) in (BUSY, LEAVING)

    def has_started(self, number: int) -> bool:
        return self._state(number) != STARTING

    def address(self, number: int) -> bytes:
        """The client's address or IPv6 network, as it is counted; empty without one."""
        at = SIZE * (number + 1)
        return self._memory[at + 1 : at + SIZE].rstrip(b"\0")[1:-1]

    def idle(self) -> int:
        """How many workers wait for a client, or are starting and soon will."""
        states = self._states()
        return states.count(IDLE) + states.count(STARTING)

    def is_coming(self, number: int) -> bool:
        return self._state(number) in COMING

    def somebody_comes(self) -> bool:
        states = self._states()
        return any(state in states for state in COMING)

    def has_room(self) -> bool:
        return FREE in self._states()

    def crowded(self) -> bool:
        return self._states().count(BUSY) == self.count

    def place(self, number: int) -> Place:
        return OwnPlace(self, number)

    def close(self) -> None:
        with self.lock:
            self._memory[CLOSED] = 1

    def open(self) -> None:
        self._memory[CLOSED] = 0

    @property
    def closed(self) -> bool:
        return self._memory[CLOSED] != 0

    def _states(self) -> bytes:
        return self._memory[SIZE::SIZE]

    def _state(self, number: int) -> bytes:
        at = SIZE * (number + 1)
        return self._memory[at : at + 1]

    def _write(self, number: int, entry: bytes) -> None:
        at = SIZE * (number + 1)
        self._memory[at : at + SIZE] = entry.ljust(SIZE, b"\0")


class OwnPlace(Place):
    """The entry of one session."""

    def __init__(self, slots: Slots, number: int) -> None:
        self._slots = slots
        self._number = number

    def crowded(self) -> bool:
        return self._slots.crowded()

    def leave(self) -> None:
        if sitecheckers.have_run:  # the hook `ended` of a site's check may take long
            self._slots.release(self._number)
        else:
            self._slots.leave(self._number)


def counted_as(ip: bytes) -> bytes:
    """What is counted for an address: the address itself; of IPv6 the network `address/64`."""
    packed = parse(ip) if b":" in ip else None
    return ip if packed is None or len(packed) == 4 else b"%b/%d" % (text(network(packed, ONE_CLIENT)), ONE_CLIENT)


class Lock:
    """A lock between the parent and its children: a record lock on a file in memory that only they have open."""

    def __init__(self) -> None:
        self.fd = posix.memfd_create("sessions")

    def __enter__(self) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_UN)
