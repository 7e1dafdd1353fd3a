"""A name server on a loopback port that answers by a function of the test, by UDP and TCP.

    with NameServer(answer) as server:        DNSCACHEIP=127.0.0.1:{server.port}

`answer(name, rtype)` is like a lookup of mailauth/dns.py: returns records, raises NoSuchName for NXDOMAIN, Temporary
for SERVFAIL, Silence for no answer. What does not fit into a datagram of 512 bytes is truncated by UDP, complete by
TCP.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Callable
from typing import Any

from qmail_smtpd.mailauth.dns import NoSuchName, Temporary

from .dns import port_of_both, question

TYPES = {1: "A", 5: "CNAME", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}
NXDOMAIN, SERVFAIL = 3, 2
LONGEST = 512

Answer = Callable[[bytes, str], list[Any]]


class Silence(Exception):
    """No answer is sent."""


class NameServer:
    def __init__(self, answer: Answer) -> None:
        self.port = port_of_both()
        self._answer = answer
        self._servers = (_Udp(("127.0.0.1", self.port), self.packet), _Tcp(("127.0.0.1", self.port), self.packet))
        self._threads = [threading.Thread(target=each.serve_forever, args=(0.05,)) for each in self._servers]

    def __enter__(self) -> NameServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def packet(self, query: bytes, most: int) -> bytes | None:
        """What goes back for a question; None for nothing."""
        name, kind, end = question(query)
        rtype = TYPES[kind]
        rcode, records = 0, []
        try:
            records = [_record(rtype, each) for each in self._answer(name, rtype)]
        except NoSuchName:
            rcode = NXDOMAIN
        except Temporary:
            rcode = SERVFAIL
        except Silence:
            return None
        body = query[12:end] + b"".join(records)
        if len(body) + 12 > most:
            return query[:2] + struct.pack(">HHHHH", 0x8380, 1, 0, 0, 0) + query[12:end]
        return query[:2] + struct.pack(">HHHHH", 0x8180 | rcode, 1, len(records), 0, 0) + body


def _record(rtype: str, value: Any) -> bytes:
    """A record of the name that was asked for."""
    number = next(number for number, name in TYPES.items() if name == rtype)
    data: bytes = value
    if rtype == "TXT":
        data = b"".join(_string(value[at : at + 255]) for at in range(0, max(len(value), 1), 255))
    elif rtype == "MX":
        data = struct.pack(">H", value[0]) + _encoded(value[1])
    elif rtype == "PTR":
        data = _encoded(value)
    return b"\xc0\x0c" + struct.pack(">HHIH", number, 1, 60, len(data)) + data


def _encoded(name: bytes) -> bytes:
    return b"".join(_string(label) for label in name.split(b".") if label) + b"\0"


def _string(text: bytes) -> bytes:
    return struct.pack("B", len(text)) + text


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    max_packet_size = 4096

    def __init__(self, address: tuple[str, int], packet: Callable[[bytes, int], bytes | None]) -> None:
        self.packet = packet
        super().__init__(address, _UdpHandler)


class _UdpHandler(socketserver.BaseRequestHandler):
    server: _Udp

    def handle(self) -> None:
        query, sender = self.request
        packet = self.server.packet(query, LONGEST)
        if packet is not None:
            sender.sendto(packet, self.client_address)


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], packet: Callable[[bytes, int], bytes | None]) -> None:
        self.packet = packet
        super().__init__(address, _TcpHandler)


class _TcpHandler(socketserver.StreamRequestHandler):
    server: _Tcp

    def handle(self) -> None:
        while size := self.rfile.read(2):
            packet = self.server.packet(self.rfile.read(struct.unpack(">H", size)[0]), 65535)
            if packet is not None:
                self.wfile.write(struct.pack(">H", len(packet)) + packet)
