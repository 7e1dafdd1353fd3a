#!/usr/bin/env python3
"""What a look-up costs: 1,000 recipients of one session against slapd, beside the same searches in a bare loop.

`bench/directory.py [ROUNDS]` runs, in turn and ROUNDS times (default 5), on the same directory of 2,000 people and
over one connection each:

    bare loop               python-ldap's search_ext_s with the filter qmail-verify uses, one search after the other
    qmail-verify            an address on the pipe, its answer, the next address
    qmail-verify, many      all addresses on the pipe, then all answers
    session, checked        qmail-smtpd with RCPTCHECK and qmail-verify behind it: 1,000 RCPT in one write
    session, cached         the same with control/ldapcache, every answer fresh
    session, unchecked      the same without RCPTCHECK

Start, import, connection and the first search are not counted. Printed are wall microseconds a look-up (the best
round of each) and the ratio to the bare loop, which is not to exceed LIMIT for the session. Exit code 1 if it does.
Last the cost of the first answer, with and without python-ldap's import overlapping a wait of the client.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.directory.programs import Verifier  # noqa: E402
from tests.support.dialog import Dialog  # noqa: E402
from tests.support.home import Home  # noqa: E402
from tests.support.slapd import SUFFIX, Slapd, generated, slapd  # noqa: E402

LOOKUPS = 1000
LIMIT = 1.5
DOMAIN = "local.example.org"
_BARE = """
import sys, time
root, uri, base, domain, lookups = sys.argv[1:]
sys.path.insert(0, root)
from qmail_smtpd import thirdparty
thirdparty.add_to_path()
import ldap
connection = ldap.initialize(uri)
connection.protocol_version = 3
connection.simple_bind_s("", "")
def search(n):
    address = f"person{n}@{domain}"
    text = f"(|(mail={address})(mailAlternateAddress={address}))"
    assert len(connection.search_ext_s(base, ldap.SCOPE_SUBTREE, text, ["accountStatus"], sizelimit=2)) == 1
search(0)
begin = time.monotonic()
for n in range(int(lookups)):
    search(n)
print(time.monotonic() - begin)
"""


def bare(server: Slapd) -> float:
    """Seconds for all look-ups in a loop."""
    argv = ["/usr/bin/python3", "-I", "-S", "-c", _BARE, str(ROOT), server.uri, SUFFIX, DOMAIN, str(LOOKUPS)]
    return float(subprocess.run(argv, check=True, capture_output=True).stdout)


def verified(home: Home) -> float:
    """Seconds for all look-ups by qmail-verify, one after the other."""
    with Verifier(home, LOGLEVEL="1") as verifier:
        assert verifier.ask(f"person0@{DOMAIN}") == b"K"
        begin = time.monotonic()
        for number in range(LOOKUPS):
            assert verifier.ask(f"person{number}@{DOMAIN}") == b"K"
        return time.monotonic() - begin


def verified_together(home: Home) -> float:
    """Seconds for all look-ups when qmail-verify need not wait for the questions."""
    with Verifier(home, LOGLEVEL="1") as verifier:
        assert verifier.ask(f"person0@{DOMAIN}") == b"K"
        questions = "".join(f"person{number}@{DOMAIN}\0" for number in range(LOOKUPS)).encode()
        begin = time.monotonic()
        verifier.send(questions)
        for _ in range(LOOKUPS):
            assert verifier.read() == b"K"
        return time.monotonic() - begin


def received(home: Home, **switches: str) -> float:
    """Seconds for all recipients of a session, sent at once."""
    lines = "".join(f"RCPT TO:<person{number}@{DOMAIN}>\r\n" for number in range(LOOKUPS))
    with Dialog(home, LOGLEVEL="1", **switches) as session:
        session.ask(None, 220)
        session.ask("MAIL FROM:<s@far.example>", 250)
        session.ask(f"RCPT TO:<person0@{DOMAIN}>", 250)
        begin = time.monotonic()
        session.say(lines)
        replies = b""
        while replies.count(b"\n") < LOOKUPS:
            replies += session.socket.recv(65536)
        seconds = time.monotonic() - begin
    assert all(line.startswith(b"250 ") for line in replies.splitlines())
    return seconds


def first_answer(home: Home, *, early: bool) -> float:
    """Seconds from the first address to its answer, for a qmail-verify just started or one that was ready."""
    with Verifier(home, LOGLEVEL="0") as verifier:
        if early:
            time.sleep(0.5)  # what a client takes until its first RCPT
        begin = time.monotonic()
        assert verifier.ask(f"person0@{DOMAIN}") == b"K"
        return time.monotonic() - begin


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with slapd(generated(2000)) as server, server.running(), tempfile.TemporaryDirectory() as folder:
        control = {"ldapserver": server.host_port, "ldapbasedn": SUFFIX}
        home = Home(Path(folder) / "home", dict(control))
        home.link("qmail-verify")
        cached = Home(Path(folder) / "cached", {**control, "ldapcache": "3600"})
        cached.link("qmail-verify")
        results: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, seconds in (
                ("bare loop", bare(server)),
                ("qmail-verify", verified(home)),
                ("qmail-verify, many", verified_together(home)),
                ("session, checked", received(home, RCPTCHECK="")),
                ("session, cached", received(cached, RCPTCHECK="")),
                ("session, unchecked", received(home)),
            ):
                results.setdefault(name, []).append(seconds)
        base = min(results["bare loop"])
        for name, seconds_of in results.items():
            best = min(seconds_of)
            print(f"{name:18} {best / LOOKUPS * 1e6:8.0f} us a look-up  {best / base:5.2f} x")
        for text, early in (("just started", False), ("started before", True)):
            best = min(first_answer(home, early=early) for _ in range(rounds))
            print(f"first answer of a qmail-verify {text:15} {best * 1000:6.1f} ms")
        ratio = min(results["session, checked"]) / base
        print(f"a look-up in a session costs {ratio:.2f} times the bare search (limit {LIMIT})")
        return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
