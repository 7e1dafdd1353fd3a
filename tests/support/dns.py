"""Real name servers on loopback ports: rbldnsd for DNS lists, nsd for zones, and a relay that can leave questions
unanswered.

Programs are pointed at them with DNSCACHEIP=127.0.0.1:PORT. Zone names end in `.test` (RFC 6761).
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import program, running

ZONE_HEAD = "$TTL 300\n@ SOA ns.test. hostmaster.test. 1 3600 600 86400 300\n@ NS ns.test.\n"

NSD = """server:
  ip-address: 127.0.0.1@{port}
  ip-address: ::1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  server-count: 1
  ipv4-edns-size: 512
  ipv6-edns-size: 512
remote-control:
  control-enable: no
"""


def both() -> tuple[socket.socket, socket.socket]:
    """Sockets for UDP and, listening, for TCP on the same free port."""
    while True:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        try:
            udp.bind(("127.0.0.1", 0))
            tcp.bind(udp.getsockname())
            tcp.listen(8)
            return udp, tcp
        except OSError:  # the port of the one is not free for the other
            udp.close()
            tcp.close()


def port_of_both() -> int:
    """A port that was free a moment ago for UDP and TCP."""
    udp, tcp = both()
    with udp, tcp:
        return int(udp.getsockname()[1])


def responds(port: int) -> bool:
    """Whether a server answers DNS questions there, in whatever way."""
    question = struct.pack(">HHHHHH", 77, 0x100, 1, 0, 0, 0) + b"\4test\0" + struct.pack(">HH", 6, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.2)
        try:
            asker.connect(("127.0.0.1", port))
            asker.send(question)
            return asker.recv(512)[:2] == question[:2]
        except OSError:
            return False


@contextmanager
def lists(folder: Path, datasets: dict[str, list[tuple[str, str]]]) -> Iterator[int]:
    """rbldnsd with {zone: [(dataset type, its lines)..]}; the port. `folder` has to be open to everybody: started
    by root, rbldnsd becomes another user."""
    port, words = port_of_both(), []
    for zone, sets in datasets.items():
        for number, (kind, lines) in enumerate(sets):
            name = f"{zone}.{number}"
            (folder / name).write_text(lines + "\n")
            words.append(f"{zone}:{kind}:{name}")
    drop = ["-u", "rbldns"] if os.getuid() == 0 else []
    argv = [program("rbldnsd"), "-n", *drop, "-b", f"127.0.0.1/{port}", "-w", str(folder), *words]
    with running(argv, log=folder / "rbldnsd.log", ready=lambda: responds(port)):
        yield port


@contextmanager
def zones(folder: Path, contents: dict[str, str | None]) -> Iterator[int]:
    """nsd with {zone: its records}; the port, at 127.0.0.1 and ::1. None: the zone is configured but its file is
    missing, which nsd answers with SERVFAIL; names outside all zones are REFUSED."""
    port = port_of_both()
    config = NSD.format(port=port, folder=folder)
    for zone, records in contents.items():
        config += f'zone:\n  name: "{zone}"\n  zonefile: "{zone}.zone"\n'
        if records is not None:
            (folder / f"{zone}.zone").write_text(ZONE_HEAD + records)
    (folder / "nsd.conf").write_text(config)
    argv = [program("nsd"), "-d", "-c", str(folder / "nsd.conf")]
    with running(argv, log=folder / "nsd.log", ready=lambda: responds(port)):
        yield port


class Relay:
    """Between client and server, UDP only: records the names that are asked for, does not answer for those with the
    label `silent`, and passes nothing on before `together` different names were asked for. Server 0: never answers."""

    def __init__(self, server: int, together: int = 1) -> None:
        self.names: list[str] = []
        self._server = ("127.0.0.1", server)
        self._together = together
        self._waiting: list[tuple[bytes, tuple[str, int]]] = []
        self._askers: dict[bytes, tuple[str, int]] = {}
        self._front, self._back = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
        self._front.bind(("127.0.0.1", 0))
        self._back.bind(("127.0.0.1", 0))
        self.port = int(self._front.getsockname()[1])
        self._stop, self._stopper = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopper.close()
        self._thread.join()
        for each in (self._front, self._back, self._stop):
            each.close()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._front, self._back, self._stop], [], [])
            if self._stop in ready:
                return
            if self._front in ready:
                self._take(*self._front.recvfrom(2048))
            if self._back in ready:
                answer = self._back.recv(65535)
                self._front.sendto(answer, self._askers[answer[:2]])

    def _take(self, query: bytes, asker: tuple[str, int]) -> None:
        name = question(query)[0].decode("latin1").lower()
        self.names.append(name)
        if self._server[1] and "silent" not in name.split("."):
            self._waiting.append((query, asker))
        if len(set(self.names)) < self._together:
            return
        for query, asker in self._waiting:
            self._askers[query[:2]] = asker
            self._back.sendto(query, self._server)
        self._waiting.clear()


def question(query: bytes) -> tuple[bytes, int, int]:
    """The name in a question, its type, and the offset behind the question."""
    labels, position = [], 12
    while query[position]:
        labels.append(query[position + 1 : position + 1 + query[position]])
        position += 1 + query[position]
    return b".".join(labels), int.from_bytes(query[position + 1 : position + 3], "big"), position + 5
