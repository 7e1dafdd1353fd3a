"""A look-up in the directory: 1,000 recipients of one session against slapd, beside the same searches in a bare loop
of python-ldap (directory.py, which measures wall time)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import directory
from measure import Cost, interleaved, middle, ratio
from place import Place
from scale import Scale
from table import Row

from tests.support.home import Home
from tests.support.slapd import SUFFIX, generated, slapd


def rows(place: Place, scale: Scale) -> list[Row]:
    with slapd(generated(2000)) as server, server.running(), tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", {"ldapserver": server.host_port, "ldapbasedn": SUFFIX})
        home.link("qmail-verify")
        costs = interleaved(
            scale.rounds(9),
            {
                "bare": lambda: Cost(0, directory.bare(server)),
                "session": lambda: Cost(0, directory.received(home, RCPTCHECK="")),
            },
        )
    figure = ratio(costs["session"], costs["bare"]).wall
    a, b = (middle(costs[name]).wall / directory.LOOKUPS * 1e6 for name in ("session", "bare"))
    budget = [("wall", "<=", directory.LIMIT)]
    name = "one look-up of 1,000 in a session"
    return [Row(name, "python-ldap in a loop", {"wall": figure}, f"{a:.0f} / {b:.0f} µs", budget)]
