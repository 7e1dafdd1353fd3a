"""bin/pbsdbd: remembers for a while who has read mail (SPEC section 11).

A UDP server on control/pbsip (default 127.0.0.1: a cluster names an address, or 0.0.0.0, on purpose) and
control/pbsport. An addition counts if it has the secret of control/pbssecret, compared in constant time, and
for control/pbstimeout seconds (default 600); the next one of the same address starts them anew. Queries are
answered from the address they were sent to, by at most three times their bytes: variables that do not fit are left
out, and only queries with a nonce, which are long, get all of them (packet.py). Anything else is dropped, with at most
a log line a second.

Memory is bounded by control/pbscachesize (default 1 MiB): bytes of packet data, 13 more for each entry as in
the field's own server; the process needs at most sixteen times that. The oldest goes first.
Restarting forgets all. Exit 111, with a log line, if it cannot start; else it runs until a signal.
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
BETWEEN_WARNINGS = 1.0  # seconds: whoever sends nonsense must not fill the log

IP_PKTINFO = 8 if sys.platform == "linux" else None  # ip(7); 3.11's socket module has no name for it
SPEC_DESTINATION = slice(4, 8)  # of struct in_pktinfo: the local address that was written to


class AddressCache:
    """Addresses and their lists, for `lifetime` seconds and in `capacity` bytes."""

    def __init__(self, capacity: int, lifetime: int) -> None:
        self.capacity = capacity
        self.lifetime = lifetime
        self.size = 0
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()  # oldest first: until when, and the data

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
        """What was remembered for `address`, None if nothing or too long ago."""
        entry = self._entries.get(address)
        return entry[TIME.size :] if entry is not None and now < TIME.unpack_from(entry)[0] else None

    def _cost(self, address: bytes, data: bytes) -> int:
        return ENTRY_COST + len(address) + len(data)


class PbsServer:
    """Requests in, replies out: all but the socket."""

    def __init__(self, cache: AddressCache, secret: bytes, log: Log) -> None:
        self.cache = cache
        self.secret = secret
        self.log = log
        self._warned = -BETWEEN_WARNINGS
        self._silent = 0  # warnings that were not written since

    def respond(self, data: bytes, sender: bytes, now: float) -> bytes | None:
        """The reply to one packet, if it deserves one."""
        try:
            request = packet.read_request(data)
        except packet.Malformed:
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
    """The program. Returns its exit code, if at all."""
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
            sleep(0.1)  # a lasting fault must not fill the log


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
    """One packet and its reply. Raises OSError if none can be received."""
    data, notes, _, sender = wire.recvmsg(packet.LARGEST + 1, 64)
    answer = server.respond(data, b"%b:%d" % (sender[0].encode(), sender[1]), monotonic())
    if answer is None:
        return
    # A host of several addresses would else answer from another, and clients do not listen to that.
    source = [
        (level, kind, pack("=i4s4s", 0, note[SPEC_DESTINATION], bytes(4)))
        for level, kind, note in notes
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO)
    ]
    try:
        wire.sendmsg([answer], source, socket.MSG_DONTWAIT, sender)
    except OSError as error:  # a sender that cannot be: it must not hold up the others
        server.log.line(b"warning: cannot answer: ", reason(error))
