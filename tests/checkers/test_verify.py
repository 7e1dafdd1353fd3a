"""RCPTCHECK and SENDERCHECK against a helper that answers as it is told (SPEC section 8).

The recordings have the odd answers of the helper; here is who is asked at all, and what becomes of the answer.
"""

from __future__ import annotations

import pytest

from qmail_smtpd.checkers.verify import catchalls

from ..support.home import Home, codes
from ..support.site_checker import write

HELPER = """#!/usr/bin/python3 -IS
import os
log = os.open("asked", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
os.write(log, b"start\\n")
waiting = b""
while block := os.read(0, 4096):
    *addresses, waiting = (waiting + block).split(b"\\0")
    for address in addresses:
        os.write(log, address + b"\\n")
        user = address.split(b"@")[0]
        os.write(1, b"Dno such user (#5.1.1)\\0" if user == b"no" else b"Zlater\\0" if user == b"soft" else b"K")
"""
TOGETHER = """#!/usr/bin/python3 -IS
import os, select
said = b""
while said.count(b"\\0") < 3 and select.select([0], [], [], 20)[0]:  # it answers none before it has three
    said += os.read(0, 4096)
os.write(1, b"K" * said.count(b"\\0") if said.count(b"\\0") == 3 else b"Znot together\\0")
os.read(0, 1)
"""
TWICE = """#!/usr/bin/python3 -IS
import os
while address := os.read(0, 4096):
    os.write(1, b"Dno such user (#5.1.1)\\0" if address.startswith(b"no@") else b"KK")
"""
MAIL = "MAIL FROM:<s@sender.example>\r\n"


@pytest.fixture
def asked(home: Home) -> Home:
    home.program("qmail-verify", HELPER)
    return home


def questions(home: Home) -> list[str]:
    path = home.path / "asked"
    return path.read_text().split() if path.exists() else []


def rcpt(*recipients: str) -> str:
    return MAIL + "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients) + "QUIT\r\n"


def test_only_locals_are_verified(asked: Home) -> None:
    said = rcpt(
        "u@local.example.org",
        "no@LOCAL.example.org",
        "soft@local.example.org",
        "no@example.org",
        "no@evil.example",
        "no",
    )
    session = asked.smtp(said, RCPTCHECK="")
    assert codes(session.stdout) == [220, 250, 250, 554, 451, 250, 553, 250, 221]
    assert b"554 no such user (#5.1.1)\r\n" in session.stdout
    assert b"(#4.3.0)" in session.stdout
    assert questions(asked) == ["start", "u@local.example.org", "no@LOCAL.example.org", "soft@local.example.org"]


def test_recipients_that_came_already_are_asked_together(home: Home) -> None:
    """Only those that nothing can refuse before: one with a route is asked when its turn comes, or not at all."""
    home.program("qmail-verify", TOGETHER)
    said = rcpt("a@local.example.org", "b%x@local.example.org", "b@local.example.org", "c@local.example.org")
    session = home.smtp(said, RCPTCHECK="", QMAILQUEUE="/usr/sbin/sendmail")
    assert codes(session.stdout) == [220, 250, 250, 553, 250, 250, 221], session.stderr


def test_an_answer_too_many_is_not_that_of_the_next_address(home: Home) -> None:
    home.program("qmail-verify", TWICE)
    done = home.smtp(rcpt("u@local.example.org", "no@local.example.org"), RCPTCHECK="", SENDERCHECK="", LOGLEVEL="1")
    assert codes(done.stdout) == [220, 250, 250, 451, 221]
    assert b"cannot verify no@local.example.org: bin/qmail-verify gave an answer too many" in done.stderr


def test_nobody_is_asked_without_the_switch(asked: Home) -> None:
    assert codes(asked.smtp(rcpt("no@local.example.org")).stdout) == [220, 250, 250, 221]
    assert questions(asked) == []


def test_trouble_accepts_with_ldapsoftok(asked: Home) -> None:
    session = asked.smtp(rcpt("soft@local.example.org", "no@local.example.org"), RCPTCHECK="", LDAPSOFTOK="")
    assert codes(session.stdout) == [220, 250, 250, 554, 221]


@pytest.mark.parametrize(
    ("entry", "recipient"),
    [
        ("no@local.example.org", "no@local.example.org"),
        ("@local.example.org", "no@local.example.org"),
        ("no@", "no@local.example.org"),
        ("catchall@local.example.org", "no@local.example.org"),
        ("no-catchall@local.example.org", "no-a-b@local.example.org"),
        ("no-a-b-c-catchall@local.example.org", "no-a-b-c-d@local.example.org"),
    ],
)
def test_goodmailaddr(asked: Home, entry: str, recipient: str) -> None:
    asked.control("goodmailaddr", entry + "\n")
    assert codes(asked.smtp(rcpt(recipient), RCPTCHECK="").stdout) == [220, 250, 250, 221]
    assert questions(asked) == []


def test_four_levels_of_dashes() -> None:
    assert catchalls(b"a-b-c-d-e-f")[:-1] == [b"a-catchall", b"a-b-catchall", b"a-b-c-catchall", b"a-b-c-d-catchall"]
    assert catchalls(b"plain") == [b"catchall"]


@pytest.mark.parametrize(
    ("value", "sender", "code"),
    [
        ("", "u@local.example.org", 250),
        ("", "no@local.example.org", 554),
        ("", "soft@local.example.org", 451),
        ("", "no@far.example", 250),
        ("", "", 250),
        ("loose", "no@example.org", 250),
        ("LOOSE", "no@far.example", 554),
        ("LOOSE", "no", 250),
        ("strict", "no@example.org", 554),
        ("STRICT", "u@local.example.org", 250),
        ("STRICT", "no", 554),
        ("STRICT", "", 250),
        ("whatever", "no@far.example", 250),
    ],
)
def test_senders(asked: Home, value: str, sender: str, code: int) -> None:
    session = asked.smtp(f"MAIL FROM:<{sender}>\r\nQUIT\r\n", SENDERCHECK=value)
    assert codes(session.stdout) == [220, code, 221]


def test_the_helper_starts_once_and_again_after_data(asked: Home) -> None:
    """It is kept until DATA or the end."""
    message = "MAIL FROM:<s@sender.example>\r\nRCPT TO:<a@local.example.org>\r\nRCPT TO:<b@local.example.org>\r\n"
    session = asked.smtp(f"{message}DATA\r\n.\r\n{message}QUIT\r\n", RCPTCHECK="")
    assert 354 in codes(session.stdout)
    assert questions(asked) == ["start", "a@local.example.org", "b@local.example.org"] * 2


def test_in_the_shadow_it_only_logs(asked: Home) -> None:
    """What is let in is a recipient like others: it counts, and nobody waits."""
    said = MAIL + "RCPT TO:<no@local.example.org>\r\n" * 3 + "QUIT\r\n"
    env = {"RCPTCHECK": "", "MAXRCPTCOUNT": "1", "BADRCPTDELAY": "1000", "LOGLEVEL": "2"}
    session = asked.smtp(said, SHADOW="verify", **env)
    assert codes(session.stdout) == [220, 250, 250, 553, 553, 221]
    assert b"shadow verify would refuse: 554 no such user" in session.stderr
    assert b"directory refused" not in session.stderr


def test_a_refusal_is_in_the_log(asked: Home) -> None:
    session = asked.smtp(rcpt("no@local.example.org", "soft@local.example.org"), RCPTCHECK="", LOGLEVEL="2")
    assert b"directory refused no@local.example.org: no such user (#5.1.1)" in session.stderr
    assert b"soft@local.example.org" in session.stderr


def test_a_recipient_without_a_domain_is_one_of_this_host(asked: Home) -> None:
    """Verified as USER@me, where me is local; also when it is sent ahead (issue 16, point 8)."""
    asked.control("locals", "mx.example.org\nlocal.example.org\n")
    said = rcpt("someone", "no", "u@local.example.org", "soft")
    assert codes(asked.smtp(said, RCPTCHECK="").stdout) == [220, 250, 250, 554, 250, 451, 221]
    assert questions(asked) == [
        "start",
        "someone@mx.example.org",
        "no@mx.example.org",
        "u@local.example.org",
        "soft@mx.example.org",
    ]
    assert not asked.queued()


def test_a_recipient_without_a_domain_where_me_is_elsewhere(asked: Home) -> None:
    assert codes(asked.smtp(rcpt("someone", "no"), RCPTCHECK="").stdout) == [220, 250, 250, 250, 221]
    assert questions(asked) == []


def test_a_recipient_without_a_domain_that_is_known_as_good(asked: Home) -> None:
    asked.control("locals", "mx.example.org\n")
    asked.control("goodmailaddr", "no@mx.example.org\n")
    assert codes(asked.smtp(rcpt("no"), RCPTCHECK="").stdout) == [220, 250, 250, 221]


@pytest.mark.parametrize("name", ["bounce", "ours"])
def test_what_a_check_of_the_site_refuses_is_not_asked(asked: Home, name: str) -> None:
    """Whatever the site calls it: a recipient that it may refuse is not looked up before."""
    hook = "def rcpt(self, session, event):\n    return reject() if event.address.startswith(b'x') else None"
    write(asked, hook, name=name)
    session = asked.smtp(rcpt("a@local.example.org", "x@local.example.org", "b@local.example.org"), RCPTCHECK="")
    assert codes(session.stdout) == [220, 250, 250, 553, 250, 221]
    assert questions(asked) == ["start", "a@local.example.org", "b@local.example.org"]
