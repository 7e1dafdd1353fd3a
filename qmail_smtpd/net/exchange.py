"""One question to one name server: by UDP, then by TCP if the response was truncated (RFC 1035, RFC 7766).

Every exchange has a socket of its own, connected to the server, with a random port and a random ID: whoever forges a
response must guess both. After MOST_WRONG wrong packets the question is asked again over TCP, where guessing is
useless. Nothing here blocks.

Raises OSError if the server cannot be reached or this host lacks something (`is_ours` tells which), and
dnsmessage.BadResponse.
"""

from __future__ import annotations

import _socket
import errno
import posix
import select

from . import dnsmessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .dnsmessage import Response
    from .nameservers import Server

MOST_WRONG = 32  # packets that are no response to our query
LONGEST_DATAGRAM = 4096  # bytes; without EDNS a server may send 512

_WITHOUT_WAITING = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN)  # EAGAIN: no free port


def is_ours(error: OSError) -> bool:
    """Whether an error is this host's and no server's: no descriptor, memory or port was left."""
    return error.errno in _OURS


class Exchange:
    """See the module's docstring. Raises dnsmessage.BadName too."""

    def __init__(self, server: Server, name: bytes, rtype: str) -> None:
        self.server = server
        self._name, self._rtype = name, rtype
        self._ident = int.from_bytes(posix.urandom(2), "big")
        self._query = dnsmessage.query(self._ident, name, rtype)
        self._wrong = 0
        self._by_tcp = False
        self._unsent = b""  # over TCP
        self._received = b""
        self._socket = self._connected(_socket.SOCK_DGRAM)

    def fileno(self) -> int:
        return self._socket.fileno()

    def events(self) -> int:
        """The poll events to wait for."""
        return select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN

    def ask(self) -> None:
        """Send the question, or send it again."""
        if not self._by_tcp:
            self._socket.send(self._query)

    def proceed(self) -> Response | None:
        """Read what has come; the response once it is complete."""
        return self._proceed_by_tcp() if self._by_tcp else self._proceed_by_udp()

    def close(self) -> None:
        self._socket.close()

    def _connected(self, kind: int) -> _socket.socket:
        family, address = self.server
        made = _socket.socket(family, kind | _WITHOUT_WAITING)
        try:
            made.connect(address)
        except BlockingIOError as error:
            if error.errno != errno.EINPROGRESS:
                made.close()
                raise
        except OSError:
            made.close()
            raise
        return made

    def _proceed_by_udp(self) -> Response | None:
        try:
            packet = self._socket.recv(LONGEST_DATAGRAM)
        except BlockingIOError:
            return None  # a datagram with a wrong checksum: poll reports it, recv finds nothing
        reply = dnsmessage.parse(packet, self._ident, self._name, self._rtype)
        if reply is None:
            self._wrong += 1
        if (reply is not None and reply.truncated) or self._wrong > MOST_WRONG:
            self._go_on_by_tcp()
            return None
        return reply

    def _go_on_by_tcp(self) -> None:
        made = self._connected(_socket.SOCK_STREAM)
        self._socket.close()
        self._socket, self._by_tcp = made, True
        self._unsent = len(self._query).to_bytes(2, "big") + self._query

    def _proceed_by_tcp(self) -> Response | None:
        if self._unsent:
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            except BlockingIOError:
                pass
            return None
        try:
            piece = self._socket.recv(1 << 16)
        except BlockingIOError:
            return None
        self._received += piece
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) < max(end, 3):
            if not piece:
                raise ConnectionResetError(errno.ECONNRESET, "the server closed the connection")
            return None
        reply = dnsmessage.parse(self._received[2:end], self._ident, self._name, self._rtype)
        if reply is None or reply.truncated:
            raise dnsmessage.BadResponse("not a response to the question")
        return reply
