"""More of the filters that mail hosts run, from Debian: spamass-milter, pyspf-milter and dkimpy-milter (Python's
binding of libmilter), postgrey, and policyd-spf and postfwd, with tcpserver in the place of Postfix's spawn. Facts of
the DNS come from nsd; everything runs on an island.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.home import Home
from ..support.island import Island
from ..support.processes import program
from .real import GTUBE, last_reply, make_key, received, session, site

pytestmark = pytest.mark.root

Site = tuple[Island, Home]

# Our client is 192.0.2.10.
ZONES = {
    "pass.example": '@ TXT "v=spf1 ip4:192.0.2.10 -all"\n@ A 192.0.2.1\n',
    "fail.example": '@ TXT "v=spf1 -all"\n@ A 192.0.2.1\n',
}


@pytest.fixture(scope="module")
def place(public_folder: Path) -> Iterator[Site]:
    key = public_folder / "dkimpy.private"
    zones = {**ZONES, "example.org": f"mail._domainkey TXT {make_key(key)}\n@ A 192.0.2.1\n"}
    etc = {
        "dkimkeys/dkimpy.private": key.read_text(),
        "pyspf.conf": "TestOnly = 1\nSocket = inet:8894@localhost\nPidFile = /run/pyspf.pid\nUserID = root\n"
        "InternalHosts = 127.0.0.1\nskip_addresses = 127.0.0.0/8\nMail_From_reject = Fail\n",
        "dkimpy.conf": "Mode sv\nDomain example.org\nSelector mail\nKeyFile /etc/dkimkeys/dkimpy.private\n"
        "Socket inet:8895@localhost\nPidFile /run/dkimpy.pid\nUserID root\nSyslog no\n",
        "policyd-spf.conf": "debugLevel = 1\nTestOnly = 1\nMail_From_reject = Fail\nHELO_reject = Fail\n",
        "postfwd.cf": "id=REFUSED; sender=bad@sender.example; action=REJECT not you\n"
        "id=LATER; sender=late@sender.example; action=450 4.7.1 later\n"
        "id=SIZE; protocol_state==END-OF-MESSAGE; size>=100000; action=552 5.3.4 too much for postfwd\n",
    }
    with site(public_folder / "real", [], zones, etc) as made:
        yield made


@pytest.fixture(scope="module")
def spamassassin(place: Site) -> Site:
    made, home = place
    spamd = ["spamd", "-L", "-x", "-u", "nobody", "--listen", "127.0.0.1:783", "-r", "/run/spamd.pid"]
    made.start([*spamd, "--siteconfigpath", "/etc/spamassassin"], ready=made.port(783))
    milter = ["spamass-milter", "-p", "/run/spamass.sock", "-r", "15", "--", "-d", "127.0.0.1"]
    made.start(milter, ready=made.socket("/run/spamass.sock"))
    return made, home


def only_milter(home: Home, address: str) -> None:
    home.control("smtppolicies", "")
    home.control("smtpmilters", f"one {address}\n")


def only_policy(home: Home, address: str) -> None:
    home.control("smtpmilters", "")
    home.control("smtppolicies", f"one {address}\n")


def test_spamass_milter(spamassassin: Site) -> None:
    place, home = spamassassin
    only_milter(home, "unix:/run/spamass.sock")
    refused = place.smtp(home, session(GTUBE))
    assert last_reply(refused.stdout) == b"550 5.7.1 Blocked by SpamAssassin", refused.stderr
    passed = place.smtp(home, session("hello"))
    assert last_reply(passed.stdout).startswith(b"250 ok"), passed.stderr
    message = received(home).message
    assert b"\nX-Spam-Checker-Version: SpamAssassin" in message
    assert message.endswith(b"\n\nhello\n")


def test_pyspf_milter(place: Site) -> None:
    made, home = place
    made.start(["pyspf-milter", "/etc/pyspf.conf"], ready=made.port(8894))
    only_milter(home, "inet:127.0.0.1:8894")
    assert last_reply(made.smtp(home, session("hello", sender="s@pass.example")).stdout).startswith(b"250 ok")
    message = received(home).message
    assert b"spf=pass" in message and b"smtp.mailfrom=pass.example" in message
    refused = made.smtp(home, session("hello", sender="s@fail.example"))
    assert b"550 5.7.23 " in refused.stdout
    assert not home.queued()


def test_dkimpy_milter(place: Site) -> None:
    """It signs for an authenticated user and verifies what it has signed."""
    made, home = place
    made.start(["dkimpy-milter", "/etc/dkimpy.conf"], ready=made.port(8895))
    only_milter(home, "inet:127.0.0.1:8895")
    home.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
    said = session("hello", sender="joe@example.org", before="AUTH PLAIN AGpvZQBwYXNz\r\n")
    done = made.smtp(home, said, SMTPAUTH="")
    assert last_reply(done.stdout).startswith(b"250 ok"), done.stderr
    message = received(home).message
    signed = message[message.index(b"DKIM-Signature:") :].replace(b"\n", b"\r\n").decode()
    text = f"EHLO x\r\nMAIL FROM:<joe@example.org>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n{signed}.\r\nQUIT\r\n"
    done = made.smtp(home, text)
    assert last_reply(done.stdout).startswith(b"250 ok"), done.stderr
    assert b"dkim=pass" in received(home).message.partition(b"DKIM-Signature:")[0]


def test_postgrey(place: Site) -> None:
    """The first attempt is put off, one after its delay passes and carries what postgrey says of it."""
    made, home = place
    shutil.chown(made.folder / "lib", "postgrey")
    made.start(
        ["postgrey", "--inet=127.0.0.1:10023", "--dbdir=/var/lib", "--delay=1", "--hostname=mx.example.org"],
        ready=made.port(10023),
    )
    only_policy(home, "inet:127.0.0.1:10023")
    first = made.smtp(home, session("hello"))
    assert b"\r\n451 4.2.0 Greylisted" in first.stdout, first.stderr
    began = time.monotonic()
    while b"\r\n451 " in (again := made.smtp(home, session("hello"))).stdout:
        assert time.monotonic() - began < 60, again.stderr
    assert last_reply(again.stdout).startswith(b"250 ok"), again.stderr
    assert received(home).message.startswith(b"X-Greylist: delayed ")


def test_policyd_spf(place: Site) -> None:
    made, home = place
    server = ["tcpserver", "-HR", "-l", "0", "127.0.0.1", "10024"]
    made.start([*server, program("policyd-spf"), "/etc/policyd-spf.conf"], ready=made.port(10024))
    only_policy(home, "inet:127.0.0.1:10024")
    assert last_reply(made.smtp(home, session("hello", sender="s@pass.example")).stdout).startswith(b"250 ok")
    assert received(home).message.startswith(b"Received-SPF: Pass (mailfrom) ")
    refused = made.smtp(home, session("hello", sender="s@fail.example"))
    assert b"\r\n550 5.7.23 Message rejected due to: SPF fail" in refused.stdout, refused.stderr
    assert not home.queued()


def test_postfwd(place: Site) -> None:
    made, home = place
    server = ["tcpserver", "-HR", "-l", "0", "127.0.0.1", "10040"]
    made.start([*server, program("postfwd1"), "-n", "-f", "/etc/postfwd.cf"], ready=made.port(10040))
    home.control("smtpmilters", "")
    home.control("smtppolicies", "one inet:127.0.0.1:10040\ntwo inet:127.0.0.1:10040 at=end\n")
    assert b"\r\n550 not you (#5.7.1)\r\n" in made.smtp(home, session("x", sender="bad@sender.example")).stdout
    assert b"\r\n450 4.7.1 later\r\n" in made.smtp(home, session("x", sender="late@sender.example")).stdout
    large = made.smtp(home, session("too much\r\n" * 12_000))
    assert last_reply(large.stdout) == b"552 5.3.4 too much for postfwd"
    assert last_reply(made.smtp(home, session("hello")).stdout).startswith(b"250 ok")
    assert received(home).message.endswith(b"\n\nhello\n")
