"""An authoritative name server for one zone, UDP and TCP on one port of 127.0.0.1, for the length of a `with`.

The zone is what scenarios have: {name: {"A": [..], "MX": [[preference, host]..], "CNAME": host, "rcode": NAME,
"drop": true}}; in place of a list, a type may have an entry of its own. Unknown names are NXDOMAIN.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

TYPES = {1: "A", 5: "CNAME", 15: "MX", 16: "TXT", 28: "AAAA"}
NUMBERS = {name: number for number, name in TYPES.items()}
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
MOST_BY_UDP = 512

Zone = dict[str, dict[str, Any]]


@contextmanager
def served(zone: Zone) -> Iterator[int]:
    """Serve `zone`; the port."""
    zone = {name.lower().rstrip("."): entry for name, entry in zone.items()}
    udp, tcp = _bound()
    stop_reader, stop_writer = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(zone, udp, tcp, stop_reader), daemon=True)
    thread.start()
    try:
        yield udp.getsockname()[1]
    finally:
        stop_writer.close()
        thread.join()
        for each in (udp, tcp, stop_reader):
            each.close()


def _bound() -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on the same free port."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket()
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
            continue
        tcp.listen(8)
        return udp, tcp


def _serve(zone: Zone, udp: socket.socket, tcp: socket.socket, stop: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([udp, tcp, stop], [], [])
        if stop in ready:
            return
        if udp in ready:
            query, asker = udp.recvfrom(2048)
            reply = answer(zone, query, MOST_BY_UDP)
            if reply:
                udp.sendto(reply, asker)
        if tcp in ready:
            _serve_stream(zone, tcp)


def _serve_stream(zone: Zone, tcp: socket.socket) -> None:
    connection, _ = tcp.accept()
    with connection, connection.makefile("rb") as stream:
        connection.settimeout(5)
        try:
            (length,) = struct.unpack(">H", stream.read(2))
            reply = answer(zone, stream.read(length), 65535)
            connection.sendall(struct.pack(">H", len(reply)) + reply)
        except (OSError, struct.error):
            pass  # the asker left


def answer(zone: Zone, query: bytes, most: int) -> bytes:
    """The reply to a query, cut to a truncated one if it is longer than `most`; nothing to stay silent."""
    labels, position = [], 12
    while query[position]:
        labels.append(query[position + 1 : position + 1 + query[position]])
        position += 1 + query[position]
    question = query[12 : position + 5]
    kind = TYPES.get(struct.unpack(">H", query[position + 1 : position + 3])[0], "?")
    found = _look_up(zone, b".".join(labels).decode("latin1").lower(), kind)
    if found is None:
        return b""
    rcode, records = found
    body = b"".join(records)
    flags = 0x8480 | rcode
    if 12 + len(question) + len(body) > most:
        flags, records, body = flags | 0x0200, [], b""
    return query[:2] + struct.pack(">5H", flags, 1, len(records), 0, 0) + question + body


def _look_up(zone: Zone, name: str, kind: str) -> tuple[int, list[bytes]] | None:
    """Code and records; None for silence."""
    records: list[bytes] = []
    for _ in range(8):
        entry = zone.get(name)
        if entry is None:
            return RCODES["NXDOMAIN"], records
        if isinstance(entry.get(kind), dict):
            entry = entry[kind]
        if entry.get("drop"):
            return None
        if "rcode" in entry:
            return RCODES[entry["rcode"]], []
        if "CNAME" in entry and kind != "CNAME":
            records.append(_record(name, "CNAME", _name(entry["CNAME"])))
            name = entry["CNAME"].lower().rstrip(".")
            continue
        if kind == "A":
            records += [_record(name, kind, socket.inet_aton(ip)) for ip in entry.get(kind, [])]
        elif kind == "AAAA":
            records += [_record(name, kind, socket.inet_pton(socket.AF_INET6, ip)) for ip in entry.get(kind, [])]
        elif kind == "MX":
            records += [_record(name, kind, struct.pack(">H", p) + _name(host)) for p, host in entry.get(kind, [])]
        break
    return 0, records


def _record(name: str, kind: str, data: bytes) -> bytes:
    return _name(name) + struct.pack(">HHIH", NUMBERS[kind], 1, 60, len(data)) + data


def _name(name: str) -> bytes:
    labels = [label.encode("latin1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
