"""An authoritative name server for one zone, UDP and TCP on one port of 127.0.0.1, for the length of a `with`.

The zone is what scenarios have: {name: {"A": [..], "MX": [[preference, host]..], "CNAME": host, "rcode": NAME,
"drop": true}}; in place of a list, a type may have an entry of its own. Unknown names are NXDOMAIN.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .dns import question
from .liar import lying, with_length

TYPES = {1: "A", 5: "CNAME", 15: "MX", 16: "TXT", 28: "AAAA"}
NUMBERS = {name: number for number, name in TYPES.items()}
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
MOST_BY_UDP, MOST_BY_TCP = 512, 65535

Zone = dict[str, dict[str, Any]]


@contextmanager
def served(zone: Zone) -> Iterator[int]:
    """Serve `zone`; the port."""
    zone = {name.lower().rstrip("."): entry for name, entry in zone.items()}

    def answers(query: bytes, by_tcp: bool) -> list[bytes]:
        reply = answer(zone, query, MOST_BY_TCP if by_tcp else MOST_BY_UDP)
        return [with_length(reply) if by_tcp else reply] if reply else []

    with lying(answers) as port:
        yield port


def answer(zone: Zone, query: bytes, most: int) -> bytes:
    """The reply to a query, cut to a truncated one if it is longer than `most`; nothing to stay silent."""
    name, kind, end = question(query)
    asked = query[12:end]
    found = _look_up(zone, name.decode("latin1").lower(), TYPES.get(kind, "?"))
    if found is None:
        return b""
    rcode, records = found
    body = b"".join(records)
    flags = 0x8480 | rcode
    if 12 + len(asked) + len(body) > most:
        flags, records, body = flags | 0x0200, [], b""
    return query[:2] + struct.pack(">5H", flags, 1, len(records), 0, 0) + asked + body


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
