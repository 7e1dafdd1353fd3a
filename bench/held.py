"""What it costs to hold a message until a check has looked at it, beside the same check that is shown nothing.

The check reads every field and every block, and adds a field at the top.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import servers
from clients import smtp_source
from measure import Cost, interleaved, run
from memory import SIZES, WITHIN, peak
from place import CLIENT, OURS, Place, body, talk
from scale import Scale
from table import Row, compared, raced

LARGE = 50_000_000  # bytes
CHECK = """from qmail_smtpd.checker import Checker
def setup(config):
    return Looks()
class Looks(Checker):
    holds = {holds}
    def message(self, session, event):
        transaction = session.transaction
        if transaction.held is not None:
            size = sum(map(len, transaction.held.body())) + len(transaction.held.fields)
            transaction.edits.add_top(b"X-Looked", b" %d" % size)
"""
STREAMED, HELD = "streamed", "held"


def rows(place: Place, scale: Scale) -> list[Row]:
    for name in (STREAMED, HELD):
        _checked(place.home(name, {"smtpcheckers": "looks"}), name == HELD)
    return [*_small(place, scale), _large(place, scale), *_memory(place, scale)]


def _checked(home: Path, holds: bool) -> None:
    (home / "checkers").mkdir()
    (home / "checkers" / "looks.py").write_text(CHECK.format(holds=holds))


def _small(place: Place, scale: Scale) -> list[Row]:
    """1 kB, resident and with a process for each connection."""
    count = scale.count(80)
    with ExitStack() as stack:
        steps = {}
        for name in (STREAMED, HELD):
            server = stack.enter_context(servers.resident(place.env(name)))
            work = partial(smtp_source, server.port, count=count, at_once=4)
            steps[name] = partial(server.during, work, count)
        resident = interleaved(scale.rounds(15), steps)
    said = place.file("held-session", talk(body(1024)))
    single = _alone(place, said, scale.rounds(100))
    budget = [("CPU", "<=", 1.2)]
    return [
        raced("1 kB held, resident", "the same, streamed", resident[HELD], resident[STREAMED], budget),
        compared("1 kB held, process a connection", "the same, streamed", single[HELD], single[STREAMED]),
    ]


def _large(place: Place, scale: Scale) -> Row:
    said = place.file("held-large", talk(body(LARGE)))
    costs = _alone(place, said, scale.rounds(9))
    return raced("50 MB held", "the same, streamed", costs[HELD], costs[STREAMED], count=LARGE / 1e6, unit="MB/s")


def _alone(place: Place, said: str, rounds: int) -> dict[str, list[Cost]]:
    steps = {name: partial(run, [OURS], place.env(name, **CLIENT), said) for name in (STREAMED, HELD)}
    return interleaved(rounds, steps)


def _memory(place: Place, scale: Scale) -> list[Row]:
    """The largest is 1 GB with --big, 200 MB without."""
    largest = "1 GB" if scale.big else "200 MB"
    usual, found = (peak(place, [OURS], SIZES[size], HELD) for size in ("1 MB", largest))
    budget = [("RSS", "<=", round(1 + WITHIN / usual, 3))]
    return [Row(f"{largest} held", "1 MB held", {"RSS": found / usual}, f"{found} / {usual} kB", budget)]
