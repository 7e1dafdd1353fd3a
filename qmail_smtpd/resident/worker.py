"""A worker: it accepts clients from the listening sockets, one after the other, and serves each as main.py does.

The next session finds the process as the first one did (state.py). A worker ends when that cannot be restored; after a
session that an error of ours ended; after its number of sessions; when its memory has grown by half, not counting
imports; after a minute without work; at SIGTERM to the parent, and when the parent ends. What is kept between sessions
is listed in KEPT; none of it can be seen by another client, and each of these modules itself detects that what it keeps
is no longer valid.

Session, Chain, Config, Hosts, Wire, the log and the environment are made anew for each session. A worker never writes
a core: it would hold keys, and what earlier clients sent.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import _socket
import fcntl
import posix
import select
import sys

from .. import thirdparty
from ..control import hosts
from ..control.files import reason
from ..logs import log
from ..logs.log import ACCOUNT, FATAL, described
from ..programs import spare
from ..session import sitecheckers
from .children import REST, Children, accepted
from .state import Memory, State

# Modules of the package that keep something for the next session, with what and why. If that needs open descriptors,
# the module's function `descriptors()` returns them.
KEPT = (
    (
        "net.certificates",
        "TLS contexts by the files they are made of: reading a key costs as much as a session. OpenSSL keeps in them"
        " TLS 1.2 sessions, which only the client that has the same secret can resume",
    ),
    ("control.tcprules", "compiled rules by their file: a text of a thousand rules costs more than a session"),
    ("control.hosts", "cdb files of domains by their file: opening one costs three times what a look-up does"),
    ("session.sitecheckers", "a site's modules, with their globals, until a file of theirs changes or the home does"),
    ("programs.spare", "our own qmail-verify with its LDAP connection, for sessions that would start an equal one"),
    ("logs.log", "how many lines could not be written, until a line says so, and the number of the session"),
    ("checkers._wildcards", "the characters of the sets in patterns of control files, for at most a thousand sets"),
    ("programs.qmailqueue", "that malloc keeps the memory of large messages"),
    ("programs.helper", "the pids of helpers that were closed and are not reaped yet"),
    ("thirdparty", "where third-party packages are: they stay imported, as all modules do"),
)
STOP = signal.SIGUSR1  # sent by the parent: accept no more, end after this session
IDLE = 60.0  # seconds without work after which a worker ends
PACKAGE = __name__.partition(".")[0]


class Worker:
    """`number` is its entry in the slots of `family`; the end of the pipe `life` tells that the parent has ended.

    Raises OSError if the system has no descriptors for it."""

    def __init__(self, number: int, family: Children, life: int) -> None:
        self._number = number
        self._family = family
        self._life = _own_end(life)
        self._stopped = False
        self._memory = Memory()
        self._size, self._modules = self._memory.pages(), len(sys.modules)
        self._poll = select.epoll()  # first, so that a lack of descriptors ends the worker before it listens
        self._listeners: dict[int, _socket.socket] = {}
        self._null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        self._listen()
        signal.signal(STOP, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [STOP])
        posix.register_at_fork(after_in_child=_forget_signals)

    def run(self, most: int) -> int:
        """Serve up to `most` sessions. Returns the exit status."""
        spare.allowed = True
        hosts.keep()
        thirdparty.add_to_path()  # before the path is recorded: a session's change to it would be undone
        state = State(PACKAGE, [module for module, _ in KEPT])
        for _ in range(most):
            client = self._next()
            if client is None:
                return 0
            trouble = self._serve(client)
            if self._stopped:
                return 0
            trouble = trouble or state.restore(sitecheckers.have_run) or self._growth()
            if trouble:
                self._family.log.write(ACCOUNT, b"worker ends: ", trouble)
                return 0
        return 0

    def _listen(self) -> None:
        """Move the sockets away from fd 0 and 1, where the client will be, and register them with EPOLLEXCLUSIVE: of
        the workers that wait the kernel wakes one for a connection, the one that came first."""
        for fd, listener in self._family.listeners.items():
            if fd <= 2:
                listener.detach()
                listener = _socket.socket(fileno=posix.dup(fd))
                posix.set_inheritable(listener.fileno(), False)
            self._listeners[listener.fileno()] = listener
            self._poll.register(listener.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self._poll.register(self._life, select.EPOLLIN)
        self._hang_up()

    def _hang_up(self) -> None:
        """Replace the connection on fd 0 and 1 by /dev/null, which closes it."""
        posix.dup2(self._null, 0)
        posix.dup2(self._null, 1)

    def _stop(self, *_: object) -> None:
        self._stopped = True
        for listener in self._listeners.values():
            listener.close()
        self._listeners = {}

    def _next(self) -> int | None:
        """The descriptor of the next client, which is entered in the slots; None if the worker is to end."""
        self._family.slots.ready(self._number)
        while not self._stopped:
            events = self._poll.poll(IDLE)
            if not events or any(fd == self._life for fd, _ in events):
                return None
            for fd, _ in events:
                listener = self._listeners.get(fd)
                client = self._accept(listener) if listener else None
                if client is not None:
                    return client
        return None

    def _accept(self, listener: _socket.socket) -> int | None:
        """The descriptor of a client that may be served; None if there is none, or another worker was faster."""
        slots = self._family.slots
        try:
            with slots.lock:
                if slots.closed:
                    return None
                client, ip = accepted(listener)
                admitted = slots.admit(self._number, ip)
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if not self._stopped:
                self._give_up(error)
            return None
        if not admitted:
            self._family.refuse(client, ip)
            posix.close(client)
            return None
        if not slots.somebody_comes() and slots.has_room():
            self._wake_parent()
        return client

    def _give_up(self, error: OSError) -> None:
        """Log that the system has no descriptor or memory, wait REST, then let the worker end: another attempt would
        fail as well, and so would a new worker if the parent could start it at once."""
        self._family.log.line(b"cannot accept: ", reason(error))
        poll = select.poll()
        poll.register(self._life, select.POLLIN)
        poll.poll(REST)
        self._stopped = True

    def _wake_parent(self) -> None:
        """Make the parent poll the sockets: it starts another worker if one more client comes."""
        try:
            posix.write(self._family.signals.waker, b"\0")
        except OSError:
            pass  # the pipe is full, so it wakes anyway, or it has ended

    def _serve(self, client: int) -> bytes:
        """Serve a client. Returns the text for the log if no other one should be served after it, else b"".

        What an unexpected error leaves behind is not known; often there is too little memory, of which a new process
        may need less."""
        posix.dup2(client, 0)
        posix.dup2(client, 1)
        posix.close(client)
        log.session += 1
        place = self._family.slots.place(self._number)
        try:
            self._family.serve(dict(self._family.env), place)
        except BaseException as error:
            place.broken = True
            self._family.log.write(FATAL, b"session failed: ", described(error))
        self._family.slots.leave(self._number)
        self._hang_up()
        return b"an error ended its session" if place.broken else b""

    def _growth(self) -> bytes:
        """The text for the log if the process has grown by half, else b"".

        Memory for imports does not count: once all is imported it stays the same, and a new worker needs it too."""
        now = self._memory.pages()
        if len(sys.modules) != self._modules:
            self._size, self._modules = now, len(sys.modules)
        if 2 * now <= 3 * self._size:
            return b""
        return b"it has grown from %d to %d pages" % (self._size, now)


def _own_end(life: int) -> int:
    """A reading end of the pipe `life` for this worker alone, which sends STOP when the parent ends: the worker closes
    the listening sockets then, even if it serves a client, so that a new parent can use the port."""
    own = posix.open(f"/proc/self/fd/{life}", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    posix.close(life)  # the inherited descriptor: all workers share its F_SETOWN and F_SETSIG
    fcntl.fcntl(own, fcntl.F_SETOWN, posix.getpid())
    fcntl.fcntl(own, fcntl.F_SETSIG, STOP)
    fcntl.fcntl(own, fcntl.F_SETFL, posix.O_NONBLOCK | posix.O_ASYNC)
    return own


def _forget_signals() -> None:
    """For a program of ours that runs as a fork of the worker: STOP has no meaning for it."""
    signal.signal(STOP, signal.SIG_DFL)
