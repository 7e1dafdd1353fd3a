"""AUTH: what a client says there reaches the helper and nothing else; only a user name is ever logged (SPEC 8)."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path

import pytest

from qmail_smtpd.session.auth import claimed_user, is_no_name

from ..support.home import Home, codes
from ..support.inprocess import Ending, play

SECRET = "Secret-Password"
SECRET64 = b64encode(SECRET.encode()).decode()
KEEP = "#!/bin/sh\ndd bs=65536 count=1 of=given 2>/dev/null; printf %s\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """One whose auth_smtp denies everybody and keeps what it was given; also the working directory."""
    home = Home(tmp_path / "home")
    home.program("auth_smtp", KEEP % "D")
    monkeypatch.chdir(home.path)
    monkeypatch.setitem(os.environ, "PATH", "/usr/bin:/bin")
    return home


def said(ending: Ending) -> bytes:
    """All that was logged."""
    return b"\n".join(ending.log)


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


NOT_NAMES = {
    "empty": "",
    "leading NUL": b64("\0alice"),
    "a NUL within": b64("alice\0bob"),
    "nothing but a NUL": b64("\0"),
    "two words": f"{b64('alice')} {SECRET64}",
    "the sign for empty": "=",
}
NOT_BASE64 = {
    "in clear": "bob",
    "padding lost": "YWxpY2U",
    "padding doubled": b64("al") + "=",
    "in clear, long": SECRET,
}


@pytest.mark.parametrize("first", NOT_NAMES.values(), ids=NOT_NAMES)
def test_no_password_for_a_user(home: Home, first: str) -> None:
    """The helper judges; the second answer is a password whatever the first was."""
    ending = play(f"C: AUTH LOGIN\nS: 334\nC: {first}\nS: 334\nC: {SECRET64}\nS: 535", SMTPAUTH="")
    assert (home.path / "given").read_bytes() == f"login\0{first}\0{SECRET64}\0".encode()
    assert SECRET.encode() not in said(ending) and SECRET64.encode() not in said(ending)
    assert b"authentication failed from 192.0.2.10, user : 535" in said(ending)


@pytest.mark.parametrize("first", NOT_BASE64.values(), ids=NOT_BASE64)
def test_a_name_that_is_not_base64(home: Home, first: str) -> None:
    """RFC 4954 section 4: refused at once, and the helper is asked nothing."""
    ending = play(f"C: AUTH LOGIN\nS: 334\nC: {first}\nS: 501\nC: {SECRET64}\nS: 502", SMTPAUTH="")
    again = play(f"C: AUTH LOGIN {first}\nS: 501\nC: {SECRET64}\nS: 502", SMTPAUTH="")
    for text in (said(ending), said(again)):
        assert SECRET.encode() not in text and SECRET64.encode() not in text
        assert b"user : 501" in text


PLAIN = {
    "user only": f"{SECRET}",
    "two fields": f"\0{SECRET}",
    "four fields": f"\0{SECRET}\0x\0y",
    "another identity": f"{SECRET}\0alice\0x",
    "identity is the password": f"alice\0{SECRET}\0x",
    "an empty password": f"\0{SECRET}\0",
    "all in order": f"\0alice\0{SECRET}",
}


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_plain(home: Home, text: str) -> None:
    for dialog in (f"C: AUTH PLAIN {b64(text)}\nS: 535", f"C: AUTH PLAIN\nS: 334\nC: {b64(text)}\nS: 535"):
        logged = said(play(dialog, SMTPAUTH=""))
        assert SECRET.encode() not in logged and b64(text).encode() not in logged


def test_both_log_formats(home: Home) -> None:
    """Through the real program, at every level; once, since each failure costs five seconds."""
    lines = ["AUTH LOGIN", "", SECRET64, "QUIT"]
    for form in ("classic", "json"):
        done = home.smtp("\r\n".join(lines) + "\r\n", SMTPAUTH="", LOGFORMAT=form, LOGLEVEL="4")
        assert codes(done.stdout) == [220, 334, 334, 535, 221]
        assert SECRET.encode() not in done.stderr and SECRET64.encode() not in done.stderr
        assert b"535" in done.stderr


def test_the_name_is_logged_as_received_shows_it(home: Home) -> None:
    home.program("auth_smtp", KEEP % "'Kalice\\0'")
    dialog = f"C: AUTH LOGIN {b64('alice')}\nS: 334\nC: {SECRET64}\nS: 235"
    assert (
        b"authentication success, user site-alice from 192.0.2.10" in play(dialog, SMTPAUTH="", AUTHPREPEND="site-").log
    )
    done = home.smtp(
        f"AUTH PLAIN {b64(PLAIN['all in order'])}\r\nQUIT\r\n", SMTPAUTH="", AUTHPREPEND="site-", LOGFORMAT="json"
    )
    events = {event["event"]: event for event in map(json.loads, done.stderr.splitlines())}
    assert events["auth"]["user"] == events["session"]["user"] == "site-alice"


def test_a_long_name_is_cut() -> None:
    assert claimed_user(b"login", b64encode(b"x" * 4000)) == b"x" * 255
    assert not is_no_name(b64encode(b"x" * 4000))
