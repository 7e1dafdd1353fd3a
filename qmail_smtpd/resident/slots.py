"""Who is being served: an entry for each session there can be, in memory that the parent and its children share.

    slots.reserve()             the parent: the number of an entry for a child that starts; None without room
    slots.ready(number)         a worker: it waits for a client
    slots.admit(number, ip)     whoever accepted a client: enter it; False if its address has as many as it may have
    slots.leave(number)         who serves: its client is about to see the end, and counts no more
    slots.free(number)          the parent: that child is gone, whatever ended it
    slots.close(), open()       the parent: no worker accepts from now on; they may again
    slots.crowded()             every place is taken by a client
    slots.place(number)         these two, for a session

Who accepts and then admits holds `slots.lock` over both, so that of two clients of one address one comes first, and
what is closed stays closed. The kernel takes the lock from a process that dies. Nobody is woken from here.
"""

from __future__ import annotations

import fcntl
import mmap
import posix

from ..net.wire import Place
from ..smtp.ip import network, parse, text

FREE, STARTING, IDLE, BUSY = b"\0", b"s", b"i", b"b"
SIZE = 64  # bytes of an entry: its state, then `<address>` while it is BUSY, then NULs
ONE_CLIENT = 64  # bits of an IPv6 address
CLOSED = 0  # the place of the flag; entries begin at SIZE


class Slots:
    """`count` entries; `most_per_address` 0 is no limit."""

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
        """An empty `ip` is nobody's and always admitted."""
        entry = b"<%b>" % counted_as(ip) if ip else b""
        if entry and self._most and self._memory[:].count(entry) >= self._most:
            return False
        self._write(number, BUSY + entry)
        return True

    def enter(self, number: int, ip: bytes) -> None:
        """A session that goes on, whatever the limit says by now."""
        self._write(number, BUSY + (b"<%b>" % counted_as(ip) if ip else b""))

    def leave(self, number: int) -> None:
        self._write(number, BUSY)

    def free(self, number: int) -> None:
        self._write(number, FREE)

    def is_busy(self, number: int) -> bool:
        return self._state(number) == BUSY

    def has_started(self, number: int) -> bool:
        return self._state(number) != STARTING

    def address(self, number: int) -> bytes:
        """Whose session it is, as it is counted; empty without an address."""
        at = SIZE * (number + 1)
        return self._memory[at + 1 : at + SIZE].rstrip(b"\0")[1:-1]

    def idle(self) -> int:
        """Workers that wait for a client, or soon will."""
        states = self._states()
        return states.count(IDLE) + states.count(STARTING)

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
    """One of them."""

    def __init__(self, slots: Slots, number: int) -> None:
        self._slots = slots
        self._number = number

    def crowded(self) -> bool:
        return self._slots.crowded()

    def leave(self) -> None:
        self._slots.leave(self._number)


def counted_as(ip: bytes) -> bytes:
    """Whose address it is: itself, or the network that one client of IPv6 has."""
    packed = parse(ip)
    return ip if packed is None or len(packed) == 4 else b"%b/%d" % (text(network(packed, ONE_CLIENT)), ONE_CLIENT)


class Lock:
    """Between processes: a record lock on a file that only this family of processes has."""

    def __init__(self) -> None:
        self.fd = posix.memfd_create("sessions")

    def __enter__(self) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_UN)
