"""bin/maildir-queue, run as qmail-smtpd runs it: what is in the Maildir afterwards, and the exit code."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ..support.home import Home
from ..support.queue_program import Outcome, QueueProgram, envelope_of
from .maildir import ENVELOPE, MESSAGE, files, run


def accepted(tmp_path: Path, message: bytes, envelope: bytes) -> bytes:
    """The one file in new/."""
    assert run(tmp_path, message, envelope) == Outcome(0, b"", b"")
    (file,) = (tmp_path / "Maildir/new").iterdir()
    return file.read_bytes()


def test_message_follows_its_envelope(tmp_path: Path) -> None:
    text = accepted(tmp_path, MESSAGE, envelope_of(b"joe@example.net", b"ann@example.org", b"bob@example.org"))
    assert text == (
        b"Return-Path: <joe@example.net>\nDelivered-To: ann@example.org\nDelivered-To: bob@example.org\n" + MESSAGE
    )


def test_folders_and_file_are_private_and_tmp_is_empty(tmp_path: Path) -> None:
    accepted(tmp_path, MESSAGE, ENVELOPE)
    for name in ("", "tmp", "new", "cur"):
        assert stat.S_IMODE((tmp_path / "Maildir" / name).stat().st_mode) == 0o700
    (file,) = files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ":" not in file.name and "/" not in file.name


def test_two_messages_are_two_files(tmp_path: Path) -> None:
    for _ in range(2):
        assert run(tmp_path, MESSAGE, ENVELOPE).code == 0
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("message", [b"", b"\0\xff\r\r\n\0", b"no line end", b"\n" * 200_000, os.urandom(300_000)])
def test_any_bytes_are_kept(tmp_path: Path, message: bytes) -> None:
    text = accepted(tmp_path, message, ENVELOPE)
    assert text == b"Return-Path: <joe@example.net>\nDelivered-To: ann@example.org\n" + message


@pytest.mark.parametrize(
    ("sender", "written"),
    [
        (b"", b"<>"),
        (b"#@[]", b"<#@[]>"),
        (b"a b@example.net", b'<"a b"@example.net>'),
        (b'a"\\b@example.net', b'<"a\\"\\\\b"@example.net>'),
        (b"a@b@example.net", b'<"a@b"@example.net>'),
        (b"a..b@example.net", b'<"a..b"@example.net>'),
        (b"joe", b"<joe>"),
        ("jürgen@example.net".encode(), "<jürgen@example.net>".encode()),
    ],
)
def test_sender_is_written_as_a_path(tmp_path: Path, sender: bytes, written: bytes) -> None:
    text = accepted(tmp_path, MESSAGE, envelope_of(sender, b"ann@example.org"))
    assert text.startswith(b"Return-Path: " + written + b"\nDelivered-To: ann@example.org\nSubject:")


@pytest.mark.parametrize("control", [b"\n", b"\r", b"\r\n", b"\x0b", b"\x7f"])
def test_no_address_can_forge_a_header_line(tmp_path: Path, control: bytes) -> None:
    forged = b"a" + control + b"X-Forged: yes" + control + control + b"b@example.org"
    text = accepted(tmp_path, MESSAGE, envelope_of(forged, forged))
    assert text.endswith(b"\n" + MESSAGE)
    lines = text[: -len(MESSAGE)].split(b"\n")
    assert [line.partition(b":")[0] for line in lines] == [b"Return-Path", b"Delivered-To", b""]
    assert b"\r" not in text and b"a_" in lines[0] and b"a_" in lines[1]


def test_ten_thousand_recipients(tmp_path: Path) -> None:
    everybody = [b"user%d@example.org" % number for number in range(10_000)]
    text = accepted(tmp_path, MESSAGE, envelope_of(b"joe@example.net", *everybody))
    assert text.count(b"Delivered-To: ") == 10_000


def test_no_recipients_is_an_envelope_too(tmp_path: Path) -> None:
    assert accepted(tmp_path, MESSAGE, b"Fjoe@example.net\0\0") == b"Return-Path: <joe@example.net>\n" + MESSAGE


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        *[(ENVELOPE[:length], 54) for length in range(len(ENVELOPE))],
        (b"\0", 91),
        (b"\0\0", 91),
        (b"Tann@example.org\0\0", 91),
        (b"fjoe@example.net\0Tann@example.org\0\0", 91),
        (b"Fjoe@example.net\0Fann@example.org\0\0", 91),
        (b"Fjoe@example.net\0ann@example.org\0\0", 91),
        (b"X", 91),
        (b"Fjoe@example.net\0X", 91),
        (envelope_of(b"a" * 1003, b"ann@example.org"), 11),
        (envelope_of(b"joe@example.net", b"b@example.org", b"a" * 1003), 11),
        (b"F" + b"a" * 100_000, 11),
    ],
)
def test_bad_envelope_leaves_nothing(tmp_path: Path, envelope: bytes, code: int) -> None:
    assert run(tmp_path, MESSAGE, envelope) == Outcome(code, b"", b"")
    assert files(tmp_path) == []


def test_longest_address(tmp_path: Path) -> None:
    assert b"Delivered-To: " + b"a" * 1002 + b"\n" in accepted(tmp_path, MESSAGE, envelope_of(b"", b"a" * 1002))


def test_message_is_read_first_and_the_last_nul_is_enough(tmp_path: Path) -> None:
    with QueueProgram("maildir-queue", tmp_path) as program:
        program.envelope(ENVELOPE + b"Tlate@example.org\0", end=False)
        program.message(MESSAGE)
        assert program.wait().code == 0
    assert b"late" not in files(tmp_path)[0].read_bytes()


def test_default_is_maildir_in_the_working_directory(tmp_path: Path) -> None:
    with QueueProgram("maildir-queue", tmp_path, cwd=tmp_path, env={"MAILDIR": ""}) as program:
        program.message(MESSAGE)
        program.envelope(ENVELOPE)
        assert program.wait().code == 0
    assert len(files(tmp_path)) == 1


def test_a_link_in_the_bin_of_a_home_works(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.link("maildir-queue")
    link = str(home.path / "bin/maildir-queue")
    with QueueProgram(link, tmp_path, env={"MAILDIR": str(tmp_path / "Maildir")}) as program:
        program.message(MESSAGE)
        program.envelope(ENVELOPE)
        assert program.wait().code == 0
