"""Filters in sessions that are not plain: encrypted, resident, large, and with clients that leave."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from qmail_smtpd.filters import milter

from ..support.activation import Resident
from ..support.certificates import Pki, install
from ..support.dialog import Dialog
from ..support.fake_milter import CONTINUE, FakeMilter, answer
from ..support.fake_policy import FakePolicy
from ..support.home import Home
from ..support.peak import Peak
from ..support.processes import wait_until
from ..support.tls import SmtpClient

ENVELOPE = "EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"


def test_what_filters_are_told_of_an_encrypted_session(home: Home, pki: Pki) -> None:
    install(home, pki.server())
    home.control("clientca.pem", pki.authority("root").own.pem)
    laptop = pki.authority("root").issue("laptop")
    with FakeMilter() as fake, FakePolicy("DUNNO") as policy:
        home.control("smtpmilters", f"one {fake.address}\n")
        home.control("smtppolicies", f"two {policy.address}\n")
        with SmtpClient(home) as client:
            client.starttls(pki.trusting(laptop))
            assert client.secure is not None and client.secure.cipher() is not None
            name, _, bits = client.secure.cipher()  # type: ignore[misc]
            assert client.say(b"EHLO x", b"MAIL FROM:<a@b.example>", b"RCPT TO:<u@example.org>") == [250] * 3
            client.say(b"QUIT")
    assert fake.macros(milter.HELO) == {
        b"{tls_version}": b"TLSv1.3",
        b"{cipher}": name.encode(),
        b"{cipher_bits}": str(bits).encode(),
        b"{cert_subject}": b"/CN=laptop",
        b"{cert_issuer}": b"/CN=root authority",
    }
    (asked,) = policy.asked
    assert (asked["encryption_protocol"], asked["encryption_cipher"]) == ("TLSv1.3", name)
    assert (asked["ccert_subject"], asked["ccert_issuer"]) == ("laptop", "root authority")
    assert asked["ccert_fingerprint"].replace(":", "").lower() == laptop.fingerprint.replace(":", "").lower()[-64:]


def test_workers_open_a_connection_for_each_session(home: Home) -> None:
    """And leave none behind: the milter hears QUIT at the end of each."""
    with FakeMilter() as fake, FakePolicy("DUNNO") as policy:
        home.control("smtpmilters", f"one {fake.address}\n")
        home.control("smtppolicies", f"two {policy.address}\n")
        with Resident(home, "stdin") as resident:
            for _ in range(2):
                with resident.connect() as client:
                    client.ask(None, 220)
                    client.deliver()
                    client.quit()
            wait_until(lambda: fake.letters().count(b"Q") == 2, "both sessions have ended")
    assert fake.letters().count(b"OCMR") == len(fake.sessions) == 2
    assert policy.connections == 2


@pytest.mark.parametrize("deed", [Dialog.leave, Dialog.kill], ids=lambda deed: deed.__name__)
def test_a_client_that_leaves_in_mid_message(home: Home, deed: object) -> None:
    """The milter hears that the message is none, or that nobody is there any more; nothing is queued."""
    with FakeMilter() as fake:
        home.control("smtpmilters", f"one {fake.address}\n")
        with Dialog(home) as dialog:
            dialog.say(ENVELOPE + "Subject: x\r\n\r\nhalf a line")
            wait_until(lambda: fake.letters().endswith(b"T"), "DATA was told")
            deed(dialog)  # type: ignore[operator]
        if deed is Dialog.leave:
            wait_until(lambda: fake.letters().endswith(b"TAQ"), "ABORT and QUIT")
    assert not home.queued()


def test_memory_does_not_grow_with_the_message(home: Home, tmp_path: Path) -> None:
    """40 MB shown to a milter that gives as much back, against 1 MB."""
    peak, found = Peak(home, tmp_path), []
    for megabytes in (1, 40):
        chunk = answer(milter.REPLACE_BODY, b"y" * 65533 + b"\r\n")
        with FakeMilter({milter.END_OF_BODY: [chunk] * (megabytes * 16) + [CONTINUE]}, keep=False) as fake:
            home.control("smtpmilters", f"one {fake.address}\n")
            found.append(peak.of(megabytes))
    assert found[1] - found[0] < 3 * 1024, found


def test_a_milter_by_ipv6_and_unix_socket_in_a_session(home: Home) -> None:
    with FakeMilter(family=socket.AF_INET6) as six, FakeMilter(path=home.path / "socket") as unix:
        home.control("smtpmilters", f"six {six.address}\nunix unix:socket\n")
        home.smtp(ENVELOPE + "Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
    assert len(home.queued()) == 1
    assert six.letters() == unix.letters() == b"OCHMRTLNBEQ"
