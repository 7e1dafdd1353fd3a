"""bin/queue-sendmail before Debian's Postfix: mail for a local mailbox, bounces, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import postfix as support
from ..support.postfix import Postfix
from ..support.processes import wait_until
from ..support.queue_program import Outcome, envelope_of

pytestmark = pytest.mark.root

ENVELOPE = envelope_of(b"joe@example.net", b"ann@example.org")


@pytest.fixture(scope="module")
def postfix(public_folder: Path) -> Iterator[Postfix]:
    settings = "mydestination =\nvirtual_mailbox_domains = example.org\n"
    with support.postfix(public_folder / "postfix", settings) as running:
        yield running


def test_postfix_delivers(postfix: Postfix, tmp_path: Path) -> None:
    message = b"From: joe@example.net\nSubject: hello\n\nFirst line\n.\n\xfcber\nFrom here\n"
    envelope = envelope_of(b"joe@example.net", b"ann@example.org", b"a, b@example.org")
    assert postfix.submit(tmp_path, message, envelope) == Outcome(0, b"", b"")
    wait_until(lambda: postfix.box("ann") and postfix.box("ab"), f"delivery: {postfix.log()}")
    (text,) = postfix.box("ann")
    assert text.startswith(b"Return-Path: <joe@example.net>\n")
    assert b"\nDelivered-To: ann@example.org\n" in text
    assert text.endswith(b"\n\nFirst line\n.\n\xfcber\nFrom here\n")
    assert b'Delivered-To: "a, b"@example.org\n' in postfix.box("ab")[0]


def test_postfix_takes_a_bounce(postfix: Postfix, tmp_path: Path) -> None:
    assert postfix.submit(tmp_path, b"Subject: bounce\n\n", envelope_of(b"", b"bob@example.org")).code == 0
    wait_until(lambda: postfix.box("bob"), f"delivery: {postfix.log()}")
    assert postfix.box("bob")[0].startswith(b"Return-Path: <>\n")
    assert "from=<>" in postfix.log()


def test_postfix_refuses_what_is_too_big(postfix: Postfix, tmp_path: Path) -> None:
    message = b"Subject: big\n\n" + b"x\n" * 100_000
    assert postfix.submit(tmp_path, message, ENVELOPE, None) == Outcome(71, b"", b"")
    outcome = postfix.submit(tmp_path, message, ENVELOPE)
    assert outcome.code == 82
    assert outcome.text.startswith(b"Z") and b"message file too big" in outcome.text


def test_postfix_is_never_told_of_half_an_envelope(postfix: Postfix, tmp_path: Path) -> None:
    assert postfix.submit(tmp_path, b"Subject: half\n\n", ENVELOPE[:-1]).code == 54
    assert list((postfix.root / "spool/maildrop").iterdir()) == []


def test_postfix_takes_no_address_for_an_option(postfix: Postfix, tmp_path: Path) -> None:
    message = b"From: -bs@example.net\nSubject: options\n\n"
    assert postfix.submit(tmp_path, message, envelope_of(b"-bs@example.net", b"-bp@example.org")) == Outcome(
        0, b"", b""
    )
    # It does not like such addresses (allow_min_user), but takes them for what they are.
    wait_until(lambda: "to=<-bp@example.org>" in postfix.log(), postfix.log())
    assert "from=<-bs@example.net>" in postfix.log()
