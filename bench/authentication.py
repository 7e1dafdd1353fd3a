"""SPF, DKIM and DMARC: what each costs a session more than a plain one with the same message of 1 kB, signed once with
rsa-2048; with a process for each connection and resident.

The DNS is a name server of the tests, in this process: its work is not part of the CPU figures, and what the wall time
would say of it is not said.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from typing import Any

import servers
from clients import SENDER, sessions
from measure import Step, interleaved
from place import CLIENT, LINE, OURS, Place, talk
from scale import Scale
from servers import Server
from table import Row, compared

from qmail_smtpd.mailauth.dns import NoSuchName
from tests.mailauth import dkim_worlds, signer
from tests.support.nameserver import NameServer

MODES = {"process a connection": 20, "resident": 100}  # and how many sessions a round has
SETTINGS = {
    "plain": {},
    "SPF": {"SPFBEHAVIOR": "3"},
    "DKIM": {"DKIMVERIFY": ""},
    "DKIM, unsigned": {"DKIMVERIFY": ""},
    "SPF, DKIM and DMARC": {"SPFBEHAVIOR": "1", "DKIMVERIFY": "", "DMARCBEHAVIOR": "3"},
}
KEY = dkim_worlds.key("rsa 2048")
DOMAIN = SENDER.partition("@")[2]
FIELDS = [(b"From", b" <%b>" % SENDER.encode()), (b"Subject", b" signed")]
TEXTS = {
    DOMAIN: b"v=spf1 ip4:127.0.0.1 -all",
    f"_dmarc.{DOMAIN}": b"v=DMARC1; p=reject",
    f"one._domainkey.{DOMAIN}": signer.record(KEY),
}
EXPECTED = {
    "plain": (),
    "SPF": ("spf=pass", "iprev=pass"),
    "DKIM": ("dkim=pass", "iprev=pass"),
    "DKIM, unsigned": ("dkim=none", "iprev=pass"),
    "SPF, DKIM and DMARC": ("spf=pass", "dkim=pass", "dmarc=pass", "iprev=pass"),
}


def answer(name: bytes, rtype: str) -> list[Any]:
    text = TEXTS.get(name.decode().lower())
    if rtype == "TXT" and text:
        return [text]
    if rtype == "PTR":
        return [b"client.example.net"]
    if rtype == "A" and name == b"client.example.net":
        return [b"\x7f\0\0\1"]
    raise NoSuchName


def rows(place: Place, scale: Scale) -> list[Row]:
    steps = {}
    with ExitStack() as stack:
        dns = stack.enter_context(NameServer(answer))
        for mode, count in MODES.items():
            for name, settings in SETTINGS.items():
                env = place.env(DNSCACHEIP=f"127.0.0.1:{dns.port}", **settings)
                manager = servers.resident(env) if mode == "resident" else servers.tcpserver([OURS], env)
                _prove(place, env, name)
                steps[f"{name}, {mode}"] = _step(stack.enter_context(manager), name, scale.count(count))
        costs = interleaved(scale.rounds(9), steps)
    return [
        compared(f"{name}, {mode}", f"plain, {mode}", costs[f"{name}, {mode}"], costs[f"plain, {mode}"])
        for mode in MODES
        for name in SETTINGS
        if name != "plain"
    ]


def message(name: str) -> bytes:
    """What is sent in a case."""
    text = (LINE + b"\n") * 12
    field = signer.signature(FIELDS, text, KEY, h="From:Subject", d=DOMAIN)
    return signer.joined([field, *FIELDS] if "unsigned" not in name else FIELDS, text).replace(b"\n", b"\r\n")


def _prove(place: Place, env: dict[str, str], name: str) -> None:
    """That what is to be measured does happen."""
    said = place.file("proof", talk(message(name)))
    with open(said, "rb") as file:
        variables = {**CLIENT, **env, "TCPREMOTEIP": "127.0.0.1", "LOGLEVEL": "3"}
        heard = subprocess.run([OURS], env=variables, stdin=file, capture_output=True, text=True, check=False).stderr
    if not all(word in heard for word in EXPECTED[name]):
        sys.exit(f"not as it should be:\n{heard}")


def _step(server: Server, name: str, count: int) -> Step:
    text = message(name)
    return partial(server.during, partial(sessions, server.port, count=count, at_once=4, message=text), count)
