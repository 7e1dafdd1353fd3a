"""bin/pbsdbd: a server that remembers for a while which clients have read mail (SPEC section 11).

It listens on UDP at control/pbsip (default 127.0.0.1; a cluster needs another address, or 0.0.0.0) and control/pbsport.
An addition is accepted if it has the secret of control/pbssecret, compared in constant time. It counts for
control/pbstimeout seconds (default 600), which a further addition of the same address starts again. A query is answered
from the address that it was sent to, with at most three times its bytes: variables that do not fit are left out; only
queries with a nonce, which are long, get all of them (packet.py). Other packets are dropped, with at most one log line
per second.

control/pbscachesize (default 1 MiB) limits the memory: the bytes of packet data and, as in the original server, 13 for
each entry; the process needs at most sixteen times that. The oldest entries are dropped first. A restart forgets
everything. Exit 111, with a log line, if it cannot start; otherwise it runs until a signal ends it.
"""

from __future__ import annotations

import socket
import sys
from collections import OrderedDict
from hmac import compare_digest
from struct import Struct, pack
from time import monotonic, sleep

from ..control.files import ControlError, ControlFiles, reason
from ..logs.log import Log
from . import packet, settings

TROUBLE = 111
ADDRESS = b"127.0.0.1"
LIFETIME = 600  # seconds
CAPACITY = 1 << 20  # bytes
ENTRY_COST = 13  # bytes
TIME = Struct("=d")
BETWEEN_WARNINGS = 1.0  # seconds; invalid packets must not fill the log

IP_PKTINFO = 8 if sys.platform == "linux" else None  # ip(7); 3.11's socket module has no name for it
SPEC_DESTINATION = slice(4, 8)  # of struct in_pktinfo: the local address that the packet was sent to


class AddressCache:
    """Addresses and their lists, for `lifetime` seconds and in `capacity` bytes."""

    def __init__(self, capacity: int, lifetime: int) -> None:
        self.capacity = capacity
        self.lifetime = lifetime
        self.size = 0
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()  # oldest first: time of expiry and data

    def add(self, address: bytes, data: bytes, now: float) -> None:
        """Remember `data` for `address` from `now` on."""
        old = self._entries.pop(address, None)
        if old:
            self.size -= self._cost(address, old[TIME.size :])
        cost = self._cost(address, data)
        while self._entries and self.size + cost > self.capacity:
            gone, entry = self._entries.popitem(last=False)
            self.size -= self._cost(gone, entry[TIME.size :])
        if cost <= self.capacity:
            self._entries[address] = TIME.pack(now + self.lifetime) + data
            self.size += cost

    def find(self, address: bytes, now: float) -> bytes | None:
        """The data of `address`, None if there are none or they have expired."""
        entry = self._entries.get(address)
        return entry[TIME.size :] if entry is not None and now < TIME.unpack_from(entry)[0] else None

    def _cost(self, address: bytes, data: bytes) -> int:
        return ENTRY_COST + len(address) + len(data)


class PbsServer:
    """The server without its socket: requests in, replies out."""

    def __init__(self, cache: AddressCache, secret: bytes, log: Log) -> None:
        self.cache = cache
        self.secret = secret
        self.log = log
        self._warned = -BETWEEN_WARNINGS
        self._silent = 0  # warnings that were not written since

    def respond(self, data: bytes, sender: bytes, now: float) -> bytes | None:
        """The reply to one packet, None if it gets none. `now`: time.monotonic."""
        try:
            request = packet.read_request(data)
        except packet.BadRequest:
            self._warn(b"bad packet from " + sender, now)
            return None
        if request.secret is None:
            return self._answer(request, packet.AMPLIFICATION * len(data), now)
        if compare_digest(request.secret, self.secret):
            self.cache.add(request.address, request.entries, now)
        else:
            self._warn(b"wrong secret from " + sender, now)
        return None

    def _answer(self, request: packet.Request, most: int, now: float) -> bytes:
        found = self.cache.find(request.address, now)
        if not request.nonce:
            return packet.reply(request.address, found, most)
        answer = packet.reply(request.address, found, most - packet.MAC)
        return packet.signed(answer, self.secret, request.nonce)

    def _warn(self, text: bytes, now: float) -> None:
        if now - self._warned < BETWEEN_WARNINGS:
            self._silent += 1
            return
        more = b" (and %d like it before)" % self._silent if self._silent else b""
        self._warned, self._silent = now, 0
        self.log.line(b"warning: ", text, more)


def main() -> int:
    """The program. Returns its exit code only if it cannot start."""
    log = Log(b"pbsdbd", 1)
    try:
        control = settings.control_files()
        server = PbsServer(
            AddressCache(control.number("pbscachesize", CAPACITY), control.number("pbstimeout", LIFETIME)),
            settings.secret(control),
            log,
        )
        wire = bound(control, log)
    except ControlError as error:
        log.line(b"fatal: ", error.path, b": ", error.reason)
        return TROUBLE
    while True:
        try:
            serve(wire, server)
        except OSError as error:
            log.line(b"warning: cannot receive: ", reason(error))
            sleep(0.1)  # a permanent error must not fill the log


def bound(control: ControlFiles, log: Log) -> socket.socket:
    """The server's socket. Raises ControlError."""
    address = control.line("pbsip", ADDRESS) or ADDRESS
    if settings.packed_address(address) is None:
        raise ControlError(control.path("pbsip"), b"not an IPv4 address")
    port = settings.port(control)
    try:
        wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        wire.bind((address.decode(), port))
        if IP_PKTINFO:
            wire.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    except OSError as error:
        raise ControlError(address + b":%d" % port, reason(error)) from error
    log.line(b"listening on ", address, b":%d" % port)
    return wire


def serve(wire: socket.socket, server: PbsServer) -> None:
    """Receive one packet and answer it. Raises OSError if none can be received."""
    data, notes, _, sender = wire.recvmsg(packet.LARGEST + 1, 64)
    answer = server.respond(data, b"%b:%d" % (sender[0].encode(), sender[1]), monotonic())
    if answer is None:
        return
    # A host with several addresses might answer from another one, and clients ignore such an answer.
    source = [
        (level, kind, pack("=i4s4s", 0, note[SPEC_DESTINATION], bytes(4)))
        for level, kind, note in notes
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO)
    ]
    try:
        wire.sendmsg([answer], source, socket.MSG_DONTWAIT, sender)
    except OSError as error:  # such as an impossible address of the sender: it must not stop the server
        server.log.line(b"warning: cannot answer: ", reason(error))
