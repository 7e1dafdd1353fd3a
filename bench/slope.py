"""A hundred thousand sessions with workers: what memory and descriptors of the whole family are on the way.

Postfix's smtp-source delivers them, 16 at once. The workers' own end after a hundred sessions is part of it, so this
shows what the parent keeps of each of them, and whether anything stays behind.
"""

from __future__ import annotations

import os
from pathlib import Path

import servers
from clients import smtp_source
from place import Place
from scale import Scale
from servers import Server
from table import Row

SESSIONS, STEPS, AT_ONCE = 100_000, 10, 16
WARM_UP = 2_000
PAGE = os.sysconf("SC_PAGE_SIZE")


def rows(place: Place, scale: Scale) -> list[Row]:
    place.home("slope", {"concurrencyperip": "0"})
    with servers.resident(place.env("slope")) as server:
        smtp_source(server.port, count=WARM_UP, at_once=AT_ONCE)
        before = _parent(server)
        count = scale.count(SESSIONS // STEPS)
        for _ in range(STEPS):
            server.during(lambda: smtp_source(server.port, count=count, at_once=AT_ONCE), count)
        after = _parent(server)
    total = count * STEPS
    memory = f"{before[0] // 1024} / {after[0] // 1024} kB, {(after[0] - before[0]) / total:.2f} bytes a session"
    return [
        Row(f"memory of the parent before {total:,} sessions", "after them", {"RSS": before[0] / after[0]}, memory),
        Row("descriptors of the parent before them", "after them", {}, f"{before[1]} / {after[1]}"),
    ]


def _parent(server: Server) -> tuple[int, int]:
    """Bytes in use, and descriptors."""
    folder = Path(f"/proc/{server.pid}")
    return int((folder / "statm").read_text().split()[1]) * PAGE, len(os.listdir(folder / "fd"))
