"""locals, rcpthosts and RELAYCLIENT: who gets mail here (SPEC section 5, RCPT 5)."""

from __future__ import annotations

import pytest

from ..support.home import Home, codes
from ..support.inprocess import play
from ..support.scenario import constant_database

MAIL = "C: MAIL FROM:<s@sender.example>\nS: 250\n"
CONTROL = {"locals": b"Local.example\n", "rcpthosts": b"Example.Org\n.sub.example\n# .comment.example\n"}
WELCOME = [
    "u@example.org",
    "u@EXAMPLE.org",
    "u@a.sub.example",
    "u@a.b.sub.example",
    "u@local.example",
    "user",
    "a@b@example.org",
]
REFUSED = [
    "u@sub.example",
    "u@x.example.org",
    "u@x.local.example",
    "u@",
    "u@.",
    "u@xsub.example",
    "u@a.comment.example",
    r"\@",
]


@pytest.mark.parametrize("recipient", WELCOME)
def test_welcome(recipient: str) -> None:
    play(f"{MAIL}C: RCPT TO:<{recipient}>\nS: 250", CONTROL)


@pytest.mark.parametrize("recipient", REFUSED)
def test_refused(recipient: str) -> None:
    play(f"{MAIL}C: RCPT TO:<{recipient}>\nS: 553 (#5.7.1)", CONTROL)


@pytest.mark.parametrize("recipient", [*WELCOME, *REFUSED])
def test_a_relay_client_may_everything(recipient: str) -> None:
    ending = play(
        f"{MAIL}C: RCPT TO:<{recipient}>\nS: 250\nC: DATA\nS: 354\nC: .\nS: 250", CONTROL, RELAYCLIENT="@gate"
    )
    assert ending.queued[0].envelope == b"Fs@sender.example\0T%b@gate\0\0" % recipient.replace("\\", "").encode()


def test_no_rcpthosts_is_no_open_relay() -> None:
    play(
        f"{MAIL}C: RCPT TO:<u@local.example>\nS: 250\nC: RCPT TO:<u@any.example>\nS: 553",
        {"locals": b"local.example\n", "rcpthosts": b""},
    )


def test_nolocal() -> None:
    play(f"{MAIL}C: RCPT TO:<u@local.example>\nS: 553\nC: RCPT TO:<u@example.org>\nS: 250", CONTROL, NOLOCAL="")


@pytest.mark.parametrize("recipient", [*WELCOME, *REFUSED])
@pytest.mark.parametrize("name", ["rcpthosts.cdb", "morercpthosts.cdb"])
def test_databases(home: Home, name: str, recipient: str) -> None:
    """The same lists as constant databases give the same answers."""
    (home.path / "control" / "rcpthosts").unlink()
    home.control(name, constant_database([b"example.org", b".sub.example"]))
    home.control("locals.cdb", constant_database([b"local.example"]))
    session = home.smtp(f"MAIL FROM:<s@sender.example>\r\nRCPT TO:<{recipient}>\r\nQUIT\r\n")
    assert codes(session.stdout) == [220, 250, 250 if recipient in WELCOME else 553, 221]


@pytest.mark.parametrize(
    ("databases", "recipient", "code"),
    [
        (["rcpthosts.cdb"], "u@example.org", 553),  # replaces both others
        (["rcpthosts.cdb", "morercpthosts.cdb"], "u@more.example", 553),
        (["rcpthosts.cdb"], "u@whole.example", 250),
        (["morercpthosts.cdb"], "u@example.org", 250),  # joins rcpthosts
        (["morercpthosts.cdb"], "u@more.example", 250),
        (["locals.cdb"], "u@local.example.org", 553),  # replaces locals
        (["locals.cdb"], "u@here.example", 250),
    ],
)
def test_which_file_replaces_which(home: Home, databases: list[str], recipient: str, code: int) -> None:
    keys = {
        "rcpthosts.cdb": [b"whole.example"],
        "morercpthosts.cdb": [b"more.example"],
        "locals.cdb": [b"here.example"],
    }
    for name in databases:
        home.control(name, constant_database(keys[name]))
    session = home.smtp(f"MAIL FROM:<s@sender.example>\r\nRCPT TO:<{recipient}>\r\nQUIT\r\n")
    assert codes(session.stdout) == [220, 250, code, 221]
