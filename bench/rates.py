"""Sessions a second over TCP, with 1, 4 and 16 clients of smtp-source at once, and what one costs the server."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import servers
from clients import smtp_source
from measure import Cost, Step, interleaved
from place import OURS, Place, is_there, mailfront
from scale import Scale
from servers import Server
from steps import without_gc_calls
from table import Row, raced

from tests.support.processes import program

CLIENTS = (1, 4, 16)
# (ours, against, its budget for the speed, if there is one)
PAIRS = (
    ("process a connection", "smtpfront-qmail", None),
    ("resident", "smtpfront-qmail", 1.0),
    ("resident", "mailfront without its script", None),
    ("resident", "process a connection", None),
    ("resident, collector untouched", "resident", None),
    ("resident", "aiosmtpd", None),
    ("resident", "qpsmtpd-forkserver", None),
)


def rows(place: Place, scale: Scale) -> list[Row]:
    made = []
    with ExitStack() as stack:
        running = _start(place, stack)
        for clients in CLIENTS:
            costs = interleaved(scale.rounds(9), {name: _step(s, clients, scale) for name, s in running.items()})
            made += [_row(*pair, clients, costs) for pair in PAIRS if pair[1] in costs]
    return made


def _start(place: Place, stack: ExitStack) -> dict[str, Server]:
    env = place.env()
    made = {
        "process a connection": servers.tcpserver([OURS], env),
        "resident": servers.resident(env),
        "resident, collector untouched": servers.resident(env, without_gc_calls(place, "resident-collector")),
        "smtpfront-qmail": servers.tcpserver([program("smtpfront-qmail")], env),
        "mailfront without its script": servers.tcpserver(mailfront(), env),
    }
    if servers.aiosmtpd_is_there():
        made["aiosmtpd"] = servers.aiosmtpd(place.null_queue, env)
    if is_there("qpsmtpd-forkserver"):
        made["qpsmtpd-forkserver"] = servers.qpsmtpd(place, env)
    return {name: stack.enter_context(manager) for name, manager in made.items()}


def _step(server: Server, clients: int, scale: Scale) -> Step:
    count = scale.count(80)
    return partial(server.during, partial(smtp_source, server.port, count=count, at_once=clients), count)


def _row(ours: str, against: str, budget: float | None, clients: int, costs: dict[str, list[Cost]]) -> Row:
    budgets = [("speed", ">=", budget)] if budget else []
    at_once = f"{clients} client{'s' if clients > 1 else ''}"
    return raced(f"{ours}, {at_once}", against, costs[ours], costs[against], budgets)
