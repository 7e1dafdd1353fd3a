"""STARTTLS, RBL and RCPTCHECK, each alone and all three: what a session costs more than a plain one, with a process for
each connection, and resident with a process for each session and with workers. Each thing that workers keep has a row
of its own, beside workers that forget it after each session (forgetful.py). Nothing is kept for the DNS.

RBL asks three lists of a local rbldnsd; RCPTCHECK asks slapd with 2,000 people, and once a stand-in in C that knows
everybody (known.c), which shows what starting a program costs. The client is ours (clients.py): smtp-source knows no
TLS. What slapd, rbldnsd and the client cost is not part of the CPU figures.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import servers
from clients import RECIPIENT, sessions
from long_lists import make_cdb
from measure import Cost, Step, interleaved
from place import BIN, CLIENT, HERE, OURS, Place, body, talk
from scale import Scale
from servers import Server
from table import Row, compared, raced

from tests.support import dns
from tests.support.certificates import openssl
from tests.support.slapd import SUFFIX, generated, slapd

CLIENTS = 4
DNS_LISTS = ("a.rbl.test", "b.rbl.test", "c.rbl.test")
LISTED = "192.0.2.99"
SOMEONE, NOBODY = "person7@local.example.org", "nobody-there@local.example.org"
NAMES = ("plain", "STARTTLS", "RBL", "RCPTCHECK (slapd)", "RCPTCHECK (known.c)", "all three")
WORKERS, FORKING = "workers", "one session a process"
RULES, CDB = "1,000 rules", "rcpthosts.cdb of 100,000"
KEPT = {  # what workers keep, and the configuration that needs it
    "TLS contexts": "STARTTLS",
    "LDAP connection": "RCPTCHECK (slapd)",
    "compiled rules": RULES,
    "cdb files": CDB,
}
FORGETFUL = str(HERE / "forgetful.py")
MODES = {"process a connection": 20, FORKING: 100, WORKERS: 200}  # and how many sessions a round has


def rows(place: Place, scale: Scale) -> list[Row]:
    with ExitStack() as stack:
        environments = stack.enter_context(_environments(place))
        steps = {}
        for mode, count in MODES.items():
            for name in (*NAMES, RULES, CDB) if mode == WORKERS else NAMES:
                server = stack.enter_context(_server(mode, environments[name]))
                steps[f"{name}, {mode}"] = _step(server, name, scale.count(count))
        for what, name in KEPT.items():
            server = stack.enter_context(servers.resident(environments[name], FORGETFUL, what))
            steps[what] = _step(server, name, scale.count(MODES[WORKERS]))
        costs = interleaved(scale.rounds(9), steps)
    return [*_beside_plain(costs), *_beside_each_other(costs), *_beside_forgetful(costs)]


@contextmanager
def _server(mode: str, env: dict[str, str]) -> Iterator[Server]:
    """The number is read at the start."""
    number = Path(env["QMAILHOME"]) / "control" / "sessionsperprocess"
    number.write_text("1\n" if mode == FORKING else "100\n")
    manager = servers.tcpserver([OURS], env) if mode == "process a connection" else servers.resident(env)
    with manager as server:
        yield server


def _step(server: Server, name: str, count: int) -> Step:
    encrypted, to = name in ("STARTTLS", "all three"), RECIPIENT if name == CDB else SOMEONE
    work = partial(sessions, server.port, count=count, at_once=CLIENTS, message=body(1024), encrypted=encrypted, to=to)
    return partial(server.during, work, count)


def _beside_plain(costs: dict[str, list[Cost]]) -> list[Row]:
    return [
        compared(f"{name}, {mode}", f"plain, {mode}", costs[f"{name}, {mode}"], costs[f"plain, {mode}"])
        for mode in MODES
        for name in NAMES[1:]
    ]


def _beside_each_other(costs: dict[str, list[Cost]]) -> list[Row]:
    made = []
    for ours, other, least in ((FORKING, "process a connection", 2.0), (WORKERS, FORKING, 3.0)):
        for name in NAMES:
            budgets = [("speed", ">=", least)] if name == "all three" else []
            pair = costs[f"{name}, {ours}"], costs[f"{name}, {other}"]
            made.append(raced(f"{name}, {ours}", f"{name}, {other}", *pair, budgets))
    return made


def _beside_forgetful(costs: dict[str, list[Cost]]) -> list[Row]:
    return [
        raced(f"{name}, {WORKERS}", f"the same without kept {what}", costs[f"{name}, {WORKERS}"], costs[what])
        for what, name in KEPT.items()
    ]


@contextmanager
def _environments(place: Place) -> Iterator[dict[str, dict[str, str]]]:
    """For each of NAMES, RULES and CDB the environment of a server, with what it needs running beside it."""
    with ExitStack() as stack:
        directory = stack.enter_context(slapd(generated(2000)))
        stack.enter_context(directory.running())
        zones = {zone: [("ip4set", LISTED)] for zone in DNS_LISTS}
        port = stack.enter_context(dns.lists(_folder(place, "lists"), zones))
        tls = {"smtpcert": str(_certificate(place.path))}
        rbl = {"rbllist": "\n".join(f"{zone} reject any listed" for zone in DNS_LISTS)}
        ldap = {"ldapserver": directory.host_port, "ldapbasedn": SUFFIX}
        asking = {"RBL": "", "DNSCACHEIP": f"127.0.0.1:{port}"}
        verify, known = {"qmail_verify": str(BIN / "qmail-verify")}, {"qmail_verify": str(place.path / "known")}
        homes: dict[str, tuple[dict[str, str], dict[str, str], dict[str, str]]] = {
            "plain": ({}, {}, {}),
            "STARTTLS": (tls, {}, {}),
            "RBL": (rbl, {}, asking),
            "RCPTCHECK (slapd)": (ldap, verify, {"RCPTCHECK": ""}),
            "RCPTCHECK (known.c)": ({}, known, {"RCPTCHECK": ""}),
            "all three": (tls | rbl | ldap, verify, asking | {"RCPTCHECK": ""}),
            RULES: ({}, {}, {"TCPRULES": place.file("rules", _rules())}),
            CDB: ({}, {}, {}),
        }
        made = {}
        for number, (name, (control, programs, variables)) in enumerate(homes.items()):
            place.home(
                f"feature{number}", {"rcpthosts": "local.example.org", "concurrencyperip": "0"} | control, **programs
            )
            made[name] = place.env(f"feature{number}", **variables)
        domains = [f"customer{number}.example.com" for number in range(99_999)] + ["example.org"]
        make_cdb(Path(made[CDB]["QMAILHOME"]) / "control/rcpthosts.cdb", domains)
        _prove(place, made["all three"])
        yield made


def _prove(place: Place, env: dict[str, str]) -> None:
    """That what is to be measured does happen: a listed client and an unknown person are refused, TLS is offered."""
    for client, person, refusals in ((LISTED, SOMEONE, ("\n553 ",)), ("192.0.2.1", NOBODY, ("\n554 ",))):
        said = place.file("proof", talk(b"", [person]))
        with open(said, "rb") as file:
            command = {"args": [OURS], "env": env | CLIENT | {"TCPREMOTEIP": client}, "stdin": file}
            heard = subprocess.run(**command, capture_output=True, text=True, check=False).stdout
        if not all(word in heard for word in (*refusals, "\n250-STARTTLS")):
            sys.exit(f"not as it should be:\n{heard}")


def _rules() -> bytes:
    """Rules for a thousand others; any client may connect."""
    return "".join(f'10.0.{n // 250}.{n % 250}:allow,RELAYCLIENT=""\n' for n in range(999)).encode() + b":allow\n"


def _folder(place: Place, name: str) -> Path:
    (place.path / name).mkdir(mode=0o755)
    return place.path / name


def _certificate(folder: Path) -> Path:
    """A self-signed one with an EC key, both in one file."""
    key, shown, both = folder / "key.pem", folder / "shown.pem", folder / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    openssl("req", "-x509", *kind, "-subj", "/CN=mx.example.org", "-keyout", str(key), "-out", str(shown))
    both.write_bytes(shown.read_bytes() + key.read_bytes())
    return both
