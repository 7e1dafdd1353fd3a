"""SPFBEHAVIOR=6: every test of the suite for RFC 7208 as a session with a name server of its own zone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..mailauth.test_spf_suite import CASES, SUITE, wanted
from ..mailauth.zones import lookup_in
from ..support.home import Home
from ..support.nameserver import NameServer

REPLIES = {"pass": "250 ", "permerror": "250 ", "temperror": "451 "}


@pytest.fixture(scope="module", params=SUITE, ids=lambda group: group["description"])
def group(request: pytest.FixtureRequest) -> Iterator[tuple[dict, NameServer]]:
    with NameServer(lookup_in(request.param["zonedata"])) as server:
        yield request.param, server


def test_group(home: Home, group) -> None:
    group, server = group
    home.control("spfexp", "DEFAULT\n")
    wrong = {}
    for name, case in group["tests"].items():
        reply, log = session(home, case, server)
        result = log.partition("spf=")[2].partition(" ")[0].strip()
        fits = result in wanted(case) and reply.startswith(REPLIES.get(result, "550 "))
        if not fits or explanation(case) not in reply:
            wrong[name] = (wanted(case), result, reply)
    assert not wrong


def session(home, case, server):
    """The reply to MAIL, and the log."""
    local, _, domain = case["mailfrom"].rpartition("@")
    sender = f'"{local}"@{domain}' if domain else ""
    client = {"PROTO": "TCP6" if ":" in case["host"] else "TCP", "TCPREMOTEIP": case["host"]}
    env = {"SPFBEHAVIOR": "6", "DNSCACHEIP": f"127.0.0.1:{server.port}", **client}
    done = home.smtp(f"HELO {case['helo']}\r\nMAIL FROM:<{sender}>\r\nQUIT\r\n", **env)
    return done.stdout.decode("latin1").split("\r\n")[2], done.stderr.decode()


def explanation(case):
    return case.get("explanation", "") and f": {case['explanation']} (#5.7.23)"


def test_all_of_them():
    assert len(CASES) == 203
