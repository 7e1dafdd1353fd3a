"""A connection to a filter, by TCP or on a Unix socket. Every operation has a deadline (of time.monotonic).

    where = parse(b"inet:127.0.0.1:8891")    also inet6:[::1]:8891 and unix:PATH; raises ValueError
    stream = connect(where, deadline)
    stream.send(data, deadline)              send everything
    stream.receive(deadline)                 some bytes, b"" at the end of the connection
    stream.quiet()                           False if there is unexpected input, or the end of the connection
    stream.close()

Raises StreamError for any error: Closed if the other side has closed the connection, TimedOut at the deadline, even if
a byte comes now and then. Host names are looked up by the system, in a thread; if that takes too long the thread is
left to itself. The addresses of a name are tried in order, and share the time that is left.
"""

from __future__ import annotations

import _socket
import select
from errno import EAGAIN, ECONNRESET, EINPROGRESS, EPIPE
from posix import strerror
from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Address = tuple[int, bytes, int]  # family, host or path, port
    Target = bytes | tuple[object, ...]  # an address of the module socket
    Found = Iterable[tuple[int, int, int, str, Target]]  # by getaddrinfo

BLOCK = 1 << 16  # bytes of one read
LOOK_AGAIN = 0.02  # seconds before connecting again to a Unix socket whose backlog is full


class StreamError(Exception):
    """args[0] says what is wrong, as bytes for the log."""


class Closed(StreamError):
    """The other side has closed the connection."""


class TimedOut(StreamError):
    """The deadline has passed."""


def parse(text: bytes) -> Address:
    """The address in a text as above. Raises ValueError, which says what is wrong."""
    kind, _, rest = text.partition(b":")
    if kind == b"unix" and rest:
        return _socket.AF_UNIX, rest, 0
    if b"@" in rest and kind in (b"inet", b"inet6"):  # as sendmail and OpenDKIM have it
        raise ValueError(f"write {kind.decode()}:HOST:PORT, not {kind.decode()}:PORT@HOST")
    host, _, port = rest.rpartition(b":")
    if kind == b"inet6" and host.startswith(b"[") and host.endswith(b"]"):
        host = host[1:-1]
    elif kind != b"inet" or b":" in host:
        raise ValueError("not inet:HOST:PORT, inet6:[ADDRESS]:PORT or unix:PATH")
    if not host or not host.isascii():
        raise ValueError("there is no host name or address")
    if not (port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("the port is no number from 1 to 65535")
    return (_socket.AF_INET6 if kind == b"inet6" else _socket.AF_INET), host, int(port)


def connect(where: Address, deadline: float) -> Stream:
    """Open a connection; of several addresses that a name has, to the first that works. Raises StreamError."""
    family, host, port = where
    targets: list[Target] = [host] if family == _socket.AF_UNIX else _targets(family, host, port, deadline)
    while True:
        target, left = targets.pop(0), deadline - monotonic()
        try:
            return _opened(family, target, deadline - left + left / (len(targets) + 1))
        except StreamError:
            if not targets:
                raise


def _opened(family: int, target: Target, deadline: float) -> Stream:
    """A connection to one address or path. Raises StreamError."""
    socket = None
    try:
        socket = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK)
        if family != _socket.AF_UNIX:
            socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        while (error := socket.connect_ex(target)) == EAGAIN and monotonic() < deadline:
            sleep(LOOK_AGAIN)
        if error == EINPROGRESS:
            _wait(socket, select.POLLOUT, deadline)
            error = socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if error:
            raise OSError(error, strerror(error))
        return Stream(socket)
    except (OSError, StreamError) as trouble:
        if socket is not None:
            socket.close()
        raise trouble if isinstance(trouble, StreamError) else _described(trouble) from trouble


class Stream:
    """An open connection."""

    def __init__(self, socket: _socket.socket) -> None:
        self._socket = socket

    def send(self, data: bytes | bytearray, deadline: float) -> None:
        """Send everything. Raises StreamError."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view, _socket.MSG_NOSIGNAL) :]
            except BlockingIOError:
                _wait(self._socket, select.POLLOUT, deadline)
            except OSError as error:
                raise _described(error) from error

    def receive(self, deadline: float) -> bytes:
        _wait(self._socket, select.POLLIN, deadline)
        try:
            return self._socket.recv(BLOCK)
        except OSError as error:
            raise _described(error) from error

    def quiet(self) -> bool:
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._socket.close()


def _wait(socket: _socket.socket, for_what: int, deadline: float) -> None:
    left = deadline - monotonic()
    poll = select.poll()
    poll.register(socket.fileno(), for_what)
    if left <= 0 or not poll.poll(left * 1000):
        raise TimedOut(b"no answer in time")


def _targets(family: int, host: bytes, port: int, deadline: float) -> list[Target]:
    """The socket addresses of a host, each once. Raises StreamError.

    The host is given as bytes: for a str the codec `idna` would be imported, which takes longer than all else here, and
    raises errors of its own."""
    try:
        found: Found = _socket.getaddrinfo(host, port, family, _socket.SOCK_STREAM, 0, _socket.AI_NUMERICHOST)
    except OSError:
        found = _looked_up(family, host, port, deadline)
    return list(dict.fromkeys(address for *_, address in found))


def _looked_up(family: int, host: bytes, port: int, deadline: float) -> Found:
    """The answer of the system, waited for in a thread. Raises StreamError."""
    import _thread

    result: list[object] = []
    done = _thread.allocate_lock()
    done.acquire()

    def look_up() -> None:
        try:
            result.append(_socket.getaddrinfo(host, port, family, _socket.SOCK_STREAM))
        except BaseException as error:
            result.append(error)
        done.release()

    _thread.start_new_thread(look_up, ())
    if not done.acquire(timeout=max(0.0, deadline - monotonic())):
        raise TimedOut(b"looking up the host name takes too long")
    if isinstance(result[0], BaseException):
        raise _described(result[0]) if isinstance(result[0], OSError) else StreamError(b"not a valid host name")
    return result[0]  # type: ignore[return-value]


def _described(error: OSError) -> StreamError:
    kind = Closed if error.errno in (EPIPE, ECONNRESET) else StreamError
    return kind((error.strerror or str(error)).encode(errors="replace"))
