"""Sessions a second over TCP, with 1, 4 and 16 clients of smtp-source at once, and what one costs the server."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import servers
from clients import smtp_source
from measure import Cost, Step, interleaved
from place import OURS, Place, mailfront, smtpfront
from scale import Scale
from servers import Server
from steps import without_gc_calls
from table import Budget, Row, raced

CLIENTS = (1, 4, 16)
POSTFIX = "Postfix's smtpd, discarded"
OPENSMTPD = "OpenSMTPD, queued in memory"
FEW = 4  # clients; OpenSMTPD makes more of one address wait for a second
# (ours, against, budgets)
PAIRS: tuple[tuple[str, str, list[Budget]], ...] = (
    ("process a connection", "smtpfront-qmail", []),
    ("workers", "mailfront without its script", [("speed", ">=", 1.5), ("CPU", "<=", 0.7)]),
    ("workers", "aiosmtpd", [("speed", ">=", 1.2)]),
    ("workers", POSTFIX, []),
    ("workers", OPENSMTPD, []),
    ("workers", "qpsmtpd-forkserver", []),
    ("workers", "resident, one session a process", []),
    ("resident, one session a process", "smtpfront-qmail", [("speed", ">=", 1.0)]),
    ("resident, one session a process", "mailfront without its script", []),
    ("resident, one session a process", "process a connection", []),
    ("the same, collector untouched", "resident, one session a process", []),
)


def rows(place: Place, scale: Scale) -> list[Row]:
    made = []
    with ExitStack() as stack:
        running = _start(place, stack)
        timed = {
            POSTFIX: stack.enter_context(servers.postfix(place.path / "postfix-rates")),
            OPENSMTPD: stack.enter_context(servers.opensmtpd(place.path / "opensmtpd")),
        }
        for clients in CLIENTS:
            steps = {name: _step(s, clients, scale) for name, s in running.items()}
            steps |= {name: _timed(port, clients, scale) for name, port in timed.items()}
            if clients > FEW:
                del steps[OPENSMTPD]
            costs = interleaved(scale.rounds(9), steps)
            made += [_row(*pair, clients, costs) for pair in PAIRS if pair[1] in steps]
    return made


def _start(place: Place, stack: ExitStack) -> dict[str, Server | None]:
    place.home("workers", {"concurrencyperip": "0"})
    place.home("forking", {"concurrencyperip": "0", "sessionsperprocess": "1"})
    env, forking = place.env("workers"), place.env("forking")
    made = {
        "process a connection": servers.tcpserver([OURS], env),
        "workers": servers.resident(env),
        "resident, one session a process": servers.resident(forking),
        "the same, collector untouched": servers.resident(forking, without_gc_calls(place, "resident-collector")),
        "smtpfront-qmail": servers.mailfront(smtpfront(), env),
        "mailfront without its script": servers.mailfront(mailfront(), env),
        "aiosmtpd": servers.aiosmtpd(place.null_queue, env),
        "qpsmtpd-forkserver": servers.qpsmtpd(place, env),
    }
    return {name: stack.enter_context(manager) for name, manager in made.items()}


def _step(server: Server | None, clients: int, scale: Scale) -> Step | None:
    if server is None:
        return None
    count = scale.count(200)
    return partial(server.during, partial(smtp_source, server.port, count=count, at_once=clients), count)


def _timed(port: int | None, clients: int, scale: Scale) -> Step | None:
    """Of these servers only the time is known."""
    if port is None:
        return None
    count = scale.count(200)

    def step() -> Cost:
        seconds = smtp_source(port, count=count, at_once=clients)
        return Cost(seconds, seconds).over(count)

    return step


def _row(ours: str, against: str, budgets: list[Budget], clients: int, costs: dict[str, list[Cost]]) -> Row:
    at_once = f"{clients} client{'s' if clients > 1 else ''}"
    row = raced(f"{ours}, {at_once}", against, costs[ours], costs[against], budgets)
    if against in (POSTFIX, OPENSMTPD):
        row.figures.pop("CPU", None)
    return row
