"""No client relays through queue-sendmail and a Postfix or an Exim that follows routes: the receiver refuses it, and so
does the queue program alone. What they would do shows with a client that may relay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import postfix as support
from ..support.exim import Exim
from ..support.home import Home, codes
from ..support.opensmtpd import OpenSmtpd, opensmtpd
from ..support.postfix import Postfix
from ..support.processes import wait_until
from ..support.queue_program import Outcome, QueueProgram, envelope_of

pytestmark = pytest.mark.root

# What the client writes, what becomes of it, and whom Postfix takes it for.
ROUTES = [
    (b"victim%other.example", b"victim%other.example", "victim@other.example"),
    (b"other.example!victim", b"other.example!victim", "victim@other.example"),
    (b"victim%other.example@example.org", b"victim%other.example@example.org", "victim@other.example"),
    (b"other.example!victim@example.org", b"other.example!victim@example.org", "victim@other.example"),
    (b'"victim@other.example"@example.org', b"victim@other.example@example.org", "victim@other.example"),
    (b"victim@other.example@example.org", b"victim@other.example@example.org", "victim@other.example"),
    (b"victim%other.example@[192.0.2.1]", b"victim%other.example@example.org", "victim@other.example"),
]


@pytest.fixture(scope="module")
def postfix(public_folder: Path) -> Iterator[Postfix]:
    """example.org is local to it, as on a host for which this receiver stands on port 25."""
    settings = (
        "mydomain = example.org\nmydestination = example.org, mx.example.org, localhost\nlocal_recipient_maps =\n"
    )
    with support.postfix(public_folder / "relay", settings) as running:
        yield running


@pytest.fixture
def site(home: Home, postfix: Postfix) -> Home:
    home.link("queue-sendmail")
    (home.path / "bin/qmail-queue").unlink()
    (home.path / "bin/qmail-queue").symlink_to("queue-sendmail")
    return home


def session(recipient: bytes) -> bytes:
    return b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<%b>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n" % recipient


@pytest.mark.parametrize(("written", "address", "_"), ROUTES)
def test_nobody_gets_in(site: Home, postfix: Postfix, tmp_path: Path, written: bytes, address: bytes, _: str) -> None:
    done = site.smtp(session(written), **postfix.env())
    assert codes(done.stdout)[:4] == [220, 250, 553, 503]
    refused = postfix.submit(tmp_path, b"Subject: x\n\n", envelope_of(b"s@sender.example", b"ann@example.org", address))
    assert refused.code == 82 and refused.text.startswith(b"Dno routing")
    assert postfix.submit(tmp_path, b"", envelope_of(b"s@sender.example", address), None) == Outcome(31, b"", b"")


@pytest.mark.parametrize(("address", "victim"), sorted({(address, victim) for _, address, victim in ROUTES}))
def test_postfix_follows_them(postfix: Postfix, tmp_path: Path, address: bytes, victim: str) -> None:
    """Else the test above would show nothing. Who may relay may write them."""
    seen = postfix.log().count(f"to=<{victim}>")
    mail = envelope_of(b"s@sender.example", address)
    assert postfix.submit(tmp_path, b"Subject: x\n\n", mail, RELAYCLIENT="").code == 0
    wait_until(lambda: postfix.log().count(f"to=<{victim}>") > seen, "what Postfix makes of it")


# Exim, for domains of which the percent hack is allowed


@pytest.mark.parametrize(("written", "address", "_"), ROUTES)
def test_nobody_gets_in_to_exim(site: Home, tmp_path: Path, written: bytes, address: bytes, _: str) -> None:
    exim = Exim(tmp_path)
    assert codes(site.smtp(session(written), **exim.env()).stdout)[:4] == [220, 250, 553, 503]
    assert handed(exim, tmp_path, address) == Outcome(31, b"", b"")
    assert exim.said() == ""


@pytest.mark.parametrize("address", [b"victim%other.example", b"victim%other.example@example.org"])
def test_exim_follows_them(tmp_path: Path, address: bytes) -> None:
    exim = Exim(tmp_path)
    assert handed(exim, tmp_path, address, RELAYCLIENT="").code == 0, exim.said()
    assert "victim@other.example\n" in exim.said() and "router = elsewhere" in exim.said()


def handed(mta: Exim | OpenSmtpd, tmp_path: Path, address: bytes, **env: str) -> Outcome:
    with QueueProgram("queue-sendmail", tmp_path, env=mta.env(**env), error_pipe=None) as program:
        program.message(b"Subject: x\n\n")
        program.envelope(envelope_of(b"s@sender.example", address))
        return program.wait()


# OpenSMTPD takes an address by its last @, as we do: what we refuse would do no harm there


@pytest.fixture(scope="module")
def open_smtpd(public_folder: Path) -> Iterator[OpenSmtpd]:
    with opensmtpd(public_folder / "opensmtpd") as running:
        yield running


@pytest.mark.parametrize(("written", "address", "_"), ROUTES)
def test_nobody_gets_in_to_opensmtpd(
    site: Home, open_smtpd: OpenSmtpd, tmp_path: Path, written: bytes, address: bytes, _: str
) -> None:
    assert codes(site.smtp(session(written), **open_smtpd.env()).stdout)[:4] == [220, 250, 553, 503]
    assert handed(open_smtpd, tmp_path, address) == Outcome(31, b"", b"")


def test_opensmtpd_follows_none(open_smtpd: OpenSmtpd, tmp_path: Path) -> None:
    for address in sorted({address for _, address, _ in ROUTES}):
        outcome = handed(open_smtpd, tmp_path, address, RELAYCLIENT="")
        assert outcome.code == (81 if address.endswith(b"@example.org") else 0), (address, open_smtpd.log())
    wait_until(lambda: "to=<other.example!victim@" in open_smtpd.log(), "it takes what has no domain for its own")
    assert "victim@other.example>" not in open_smtpd.log().replace('"victim@other.example"@', "")
