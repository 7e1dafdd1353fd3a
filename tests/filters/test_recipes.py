"""The examples of qmail-smtpd-filters(5), run as they are written: rspamd, OpenDKIM, OpenDMARC, ClamAV and postgrey."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.home import Home
from ..support.island import Island
from ..support.recipes import recipe
from .real import EICAR, GTUBE, last_reply, make_key, received, session, site

pytestmark = pytest.mark.root  # the recipes name the users that the programs become

Site = tuple[Island, Home]

# What rspamd would do without for want of time: compile its patterns, and ask lists that nobody answers for here.
QUICK_RSPAMD = {
    "rspamd/override.d/options.inc": (
        'dns { timeout = 0.05s; retransmits = 1; }\nurl_tld = "/etc/rspamd/tld";\ndisable_hyperscan = true;\n'
    ),
    "rspamd/override.d/logging.inc": 'type = "console";\n',
    "rspamd/tld": "org\nexample\n",
}


@pytest.fixture(scope="module")
def rspamd(public_folder: Path) -> Iterator[Site]:
    with site(public_folder / "rspamd", ["rspamd"], {"nothing.test": ""}, QUICK_RSPAMD) as (place, home):
        for folder in ("run/rspamd", "lib/rspamd"):
            (place.folder / folder).mkdir()
            shutil.chown(place.folder / folder, "_rspamd")
        (command,) = recipe("rspamd").commands
        place.start(command, ready=place.port(11332))
        yield place, home


def test_rspamd_refuses_spam(rspamd: Site) -> None:
    place, home = rspamd
    done = place.smtp(home, session(GTUBE))
    assert last_reply(done.stdout) == b"554 5.7.1 Gtube pattern", done.stderr
    assert not home.queued()


def test_rspamd_marks_what_it_has_seen(rspamd: Site) -> None:
    place, home = rspamd
    done = place.smtp(home, session("hello"))
    assert last_reply(done.stdout).startswith(b"250 ok"), done.stderr
    message = received(home).message
    assert b"\nX-Spamd-Result: default: False [" in message
    assert message.endswith(b"\n\nhello\n")


def test_rspamd_is_not_asked_about_clients_that_may_relay(rspamd: Site) -> None:
    place, home = rspamd
    done = place.smtp(home, session(GTUBE), RELAYCLIENT="")
    assert last_reply(done.stdout).startswith(b"250 ok")
    assert b"X-Spamd" not in received(home).message


@pytest.fixture(scope="module")
def dkim(public_folder: Path) -> Iterator[Site]:
    key = public_folder / "mail.private"
    zones = {
        "example.org": f"mail._domainkey TXT {make_key(key)}\n@ A 192.0.2.1\n",
        "strict.example": '_dmarc TXT "v=DMARC1; p=reject"\n@ A 192.0.2.2\n',
        "lax.example": '_dmarc TXT "v=DMARC1; p=none"\n@ A 192.0.2.2\n',
    }
    title = "OpenDKIM and OpenDMARC"
    with site(public_folder / "dkim", [title], zones, {"dkimkeys/mail.private": key.read_text()}) as (place, home):
        shutil.chown(place.folder / "etc/dkimkeys/mail.private", "opendkim")
        (place.folder / "etc/dkimkeys/mail.private").chmod(0o600)
        (place.folder / "etc/dkimkeys").chmod(0o755)
        for command, port in zip(recipe(title).commands, (8891, 8893), strict=True):
            place.start(command, ready=place.port(port))
        home.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
        yield place, home


def signed(place: Island, home: Home) -> bytes:
    """A message as OpenDKIM has signed it for an authenticated user, without what is above it."""
    said = session("..\r\nhello  there", sender="joe@example.org", before="AUTH PLAIN AGpvZQBwYXNz\r\n")
    done = place.smtp(home, said.replace("To: <u@", "To:  <u@"), SMTPAUTH="")
    assert last_reply(done.stdout).startswith(b"250 ok"), done.stderr
    message = received(home).message
    top, _, _ = message.partition(b"\nFrom: ")
    assert b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=mail;" in top
    return message[message.index(b"DKIM-Signature:") :]


def replayed(message: bytes, sender: str) -> str:
    text = message.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n").decode("latin1")
    return f"EHLO x\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n{text}.\r\nQUIT\r\n"


def test_opendkim_signs_for_users_and_verifies_what_it_signed(dkim: Site) -> None:
    place, home = dkim
    message = signed(place, home)
    done = place.smtp(home, replayed(message, "joe@example.org"))
    assert last_reply(done.stdout).startswith(b"250 ok"), done.stderr
    top = received(home).message.partition(b"DKIM-Signature:")[0]
    assert b"dkim=pass" in top
    assert b"header.d=example.org" in top
    place.smtp(home, replayed(message.replace(b"hello", b"hullo"), "joe@example.org"))
    assert b"dkim=fail" in received(home).message.partition(b"DKIM-Signature:")[0]


@pytest.mark.parametrize(("domain", "code"), [("strict.example", b"550"), ("lax.example", b"250")])
def test_opendmarc_refuses_what_the_domain_wants_refused(dkim: Site, domain: str, code: bytes) -> None:
    place, home = dkim
    done = place.smtp(home, session("hello", sender=f"joe@{domain}"))
    assert last_reply(done.stdout)[:3] == code, done.stderr
    if code == b"250":
        top = received(home).message.partition(b"\nFrom: ")[0]
        assert f"dmarc=fail (p=none dis=none) header.from={domain}".encode() in top
    else:
        assert domain.encode() in last_reply(done.stdout)
        assert b"(control/smtpmilters:2)" in done.stderr


def test_opendmarc_believes_no_result_of_a_client(dkim: Site) -> None:
    place, home = dkim
    forged = "Received-SPF: Pass identity=mailfrom; client-ip=192.0.2.10; helo=x; envelope-from=joe@strict.example\r\n"
    done = place.smtp(home, session("hello", forged, sender="joe@strict.example"))
    assert last_reply(done.stdout).startswith(b"550 "), done.stderr


# A message with both words is what our own signature is about.
SIGNATURES = {
    "test.ndb": "Test.Words:0:*:" + b"the-word-of-the-test".hex() + "\n",
    "eicar.ndb": "Eicar.Test:0:*:" + EICAR[:40].encode().hex() + "\n",
}


@pytest.fixture(scope="module")
def clamav(public_folder: Path) -> Iterator[Site]:
    with site(public_folder / "clamav", ["ClamAV"]) as (place, home):
        for folder in ("run/clamav", "lib/clamav"):
            (place.folder / folder).mkdir()
            shutil.chown(place.folder / folder, "clamav")
        for name, text in SIGNATURES.items():
            (place.folder / "lib/clamav" / name).write_text(text)
        clamd, milter = recipe("ClamAV").commands
        place.start(clamd, ready=place.socket("/run/clamav/clamd.ctl"))
        place.start(milter, ready=place.port(7357))
        yield place, home


@pytest.mark.parametrize(
    ("body", "name"), [(EICAR, b"Eicar.Test.UNOFFICIAL"), ("xx the-word-of-the-test", b"Test.Words.UNOFFICIAL")]
)
def test_clamav_refuses_malware(clamav: Site, body: str, name: bytes) -> None:
    place, home = clamav
    done = place.smtp(home, session(body))
    assert last_reply(done.stdout)[:3] == b"550", done.stderr
    assert b"malware: " + name in last_reply(done.stdout)
    assert not home.queued()


def test_clamav_marks_what_is_clean(clamav: Site) -> None:
    place, home = clamav
    done = place.smtp(home, session("hello\r\n" * 20_000))
    assert last_reply(done.stdout).startswith(b"250 ok"), done.stderr
    assert b"\nX-Virus-Status: Clean\n" in received(home).message


def test_postgrey_defers_strangers_only(public_folder: Path) -> None:
    with site(public_folder / "postgrey", ["postgrey"]) as (place, home):
        (place.folder / "lib/postgrey").mkdir()
        shutil.chown(place.folder / "lib/postgrey", "postgrey")
        (command,) = recipe("postgrey").commands
        place.start(command, ready=place.port(10023))
        assert b"\r\n451 4.2.0 Greylisted" in place.smtp(home, session("hello")).stdout
        done = place.smtp(home, session("hello"), RELAYCLIENT="")
        assert last_reply(done.stdout).startswith(b"250 ok"), done.stderr
