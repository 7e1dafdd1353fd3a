"""One milter that lets everything pass (null_milter.c), asked by us and by Postfix's smtpd; and what asking it costs.

Postfix gives what it takes to its discard transport, after its queue; ours goes to the null queue program. Both ask
the same milter. Only the wall time of the client is compared with Postfix: its processes come and go as they like.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import servers
from clients import smtp_source
from measure import Cost, Step, interleaved, middle, ratio
from memory import SIZES, WITHIN, peak
from place import HERE, OURS, Place
from scale import Scale
from servers import Server
from table import Budget, Row, raced

from tests.support.processes import accepts, free_port, program, running

CLIENTS = 4
LARGE = 10_000_000  # bytes
MILTER = "smtpd_milters = {}\nmilter_default_action = tempfail\n"


def rows(place: Place, scale: Scale) -> list[Row]:
    with ExitStack() as stack:
        milter = stack.enter_context(_null_milter(place))
        place.home("milter", {"smtpmilters": f"null {milter}"})
        ours = stack.enter_context(servers.resident(place.env("milter")))
        plain = stack.enter_context(servers.resident(place.env()))
        theirs = stack.enter_context(servers.postfix(place.path / "postfix", MILTER.format(milter)))
        small = interleaved(scale.rounds(9), _steps(ours, plain, theirs, scale.count(80), 1024))
        large = interleaved(scale.rounds(9), _steps(ours, plain, theirs, scale.count(4), LARGE))
        usual, found = (peak(place, [OURS], SIZES[size], "milter") for size in ("1 MB", "200 MB"))
    within = [("RSS", "<=", round(1 + WITHIN / usual, 3))]
    against = "Postfix's smtpd with the same"
    return [
        _faster("one null milter, resident, 4 clients", against, small, 1, "/s", [("speed", ">=", 1.0)]),
        _faster("10 MB through a null milter, resident", against, large, LARGE / 1e6, "MB/s", []),
        raced("one null milter, resident, 4 clients", "the same, without", small["ours"], small["plain"]),
        raced(
            "10 MB through a null milter, resident",
            "the same, without",
            large["ours"],
            large["plain"],
            count=LARGE / 1e6,
            unit="MB/s",
        ),
        Row("200 MB through a null milter", "1 MB", {"RSS": found / usual}, f"{found} / {usual} kB", within),
    ]


def _steps(ours: Server, plain: Server, port: int, count: int, size: int) -> dict[str, Step]:
    """What a session costs; of Postfix only the time is known."""

    def work(at: int) -> float:
        return smtp_source(at, count=count, at_once=CLIENTS, size=size)

    def theirs() -> Cost:
        seconds = work(port)
        return Cost(seconds, seconds).over(count)

    return {
        "ours": partial(ours.during, partial(work, ours.port), count),
        "plain": partial(plain.during, partial(work, plain.port), count),
        "theirs": theirs,
    }


def _faster(
    name: str, against: str, costs: dict[str, list[Cost]], count: float, unit: str, budgets: list[Budget]
) -> Row:
    speed = 1 / ratio(costs["ours"], costs["theirs"]).wall
    absolute = f"{count / middle(costs['ours']).wall:.0f} / {count / middle(costs['theirs']).wall:.0f} {unit}"
    return Row(name, against, {"speed": speed}, absolute, budgets)


@contextmanager
def _null_milter(place: Place) -> Iterator[str]:
    """Its address, as we and Postfix write it."""
    binary, port = str(place.path / "null_milter"), free_port()
    command = [program("gcc"), "-O2", "-o", binary, str(HERE / "null_milter.c"), "-lmilter", "-lpthread"]
    subprocess.run(command, check=True)
    with running([binary, f"inet:{port}@127.0.0.1"], ready=lambda: accepts(port)):
        yield f"inet:127.0.0.1:{port}"
