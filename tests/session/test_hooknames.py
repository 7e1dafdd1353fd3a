"""A misspelt hook does not fail open: the checker is a broken one, and everybody says so (issue 10, point 14)."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from qmail_smtpd.checker import HOOKS, Checker
from qmail_smtpd.session.hooknames import OTHER_WORDS, WITHOUT_VERDICT, misspelt

from ..support.home import Home, codes
from ..support.processes import BIN
from ..support.site_checker import install
from ..support.site_checker import write as checker

SAID = "MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n\r\nx\r\n.\r\nQUIT\r\n"

ASKED = ("--ip", "192.0.2.10", "--from", "s@sender.example", "--to", "u@example.org")


def made(**methods: Any) -> Checker:
    return type("Site", (Checker,), methods)()  # type: ignore[no-any-return]


def three(self: Any, session: Any, event: Any) -> None:
    """The arguments of most hooks."""


def two(self: Any, text: Any) -> None:
    """Those of a helper."""


NEARLY = {
    "rctp": "rcpt",
    "recipient": "rcpt",
    "rcpt_to": "rcpt",
    "on_rcpt": "rcpt",
    "RCPT": "rcpt",
    "mial": "mail",
    "mail_from": "mail",
    "sender": "mail",
    "Mail": "mail",
    "dta": "data",
    "ehlo": "helo",
    "connection": "connect",
    "conect": "connect",
    "autenticated": "authenticated",
    "massage": "message",
    "blocks": "block",
}


@pytest.mark.parametrize(("name", "hook"), NEARLY.items())
def test_nearly_a_hook(name: str, hook: str) -> None:
    """Alone, and beside one that is right."""
    for methods in ({name: three}, {name: three, "helo": three}, {name: three, "message": three}):
        assert f"its method {name} is no hook: is {hook} meant?" in misspelt(made(**methods))


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook not in WITHOUT_VERDICT])
def test_every_hook_is_one(hook: str) -> None:
    assert misspelt(made(**{hook: three})) == ""


def test_hooks_without_a_verdict_are_not_enough() -> None:
    for methods in ({}, {"release": lambda self: None}, {"refused": lambda self, session, event, reply: None}):
        assert "has no hook" in misspelt(made(**methods))


@pytest.mark.parametrize("name", ["fail", "date", "sender", "recipient", "header", "close", "mails", "connected"])
def test_helpers_are_left_alone(name: str) -> None:
    """They take something else; private ones may be called anything."""
    assert misspelt(made(mail=three, **{name: two, f"_{name}": three, "limit": 7})) == ""


def test_a_hook_may_be_inherited_or_set_later() -> None:
    class Base(Checker):
        mail = three

    class Site(Base):
        def __init__(self) -> None:
            self.rcpt = lambda session, event: None

    assert misspelt(Site()) == ""


def test_other_words_name_hooks() -> None:
    assert set(OTHER_WORDS.values()) <= set(HOOKS)
    assert not set(OTHER_WORDS) & set(HOOKS)


# The program


@pytest.mark.parametrize(
    ("hooks", "says"),
    [
        ("def recipient(self, session, event):\n    return reject()", "method recipient is no hook: is rcpt meant?"),
        (
            "def helo(self, session, event):\n    pass\ndef mial(self, session, event):\n    return reject()",
            "method mial is no hook: is mail meant?",
        ),
        ("limit = 3", "Site has no hook"),
    ],
)
def test_everybody_says_so(home: Home, hooks: str, says: str) -> None:
    checker(home, hooks)
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout) == [220, 451, 503, 503, 502, 502, 502, 221]
    assert "checker ours cannot be loaded: " in session.stderr.decode()
    assert says in session.stderr.decode()
    assert says in said_by("qmail-smtpd-check", home, 2)
    explained = said_by("qmail-smtpd-explain", home, None, *ASKED)
    assert says in explained and "451" in explained


def said_by(name: str, home: Home, status: int | None, *arguments: str) -> str:
    done = subprocess.run([BIN / name, *arguments], env=home.env(), capture_output=True, text=True, check=False)
    assert status is None or done.returncode == status, done
    return done.stdout + done.stderr


PLACES = {
    "syntax": ("x = 1\ndef setup(config:\n", 2, "SyntaxError"),
    "at import": ("\n\nx = 1 / 0\n", 3, "ZeroDivisionError"),
    "a module that is missing": ("\nimport nothing_of_that_name\n", 2, "ModuleNotFoundError"),
    "no setup": ("x = 1\n", 1, "AttributeError"),
    "setup takes nothing": ("\n\n\ndef setup():\n    pass\n", 4, "TypeError"),
    "setup raises": ("def setup(config):\n    raise ValueError('broken')\n", 2, "ValueError"),
    "deep inside ours": (
        "from qmail_smtpd.checker import reject\ndef setup(config):\n    return reject(7)\n",
        3,
        "AttributeError",
    ),
    "no Checker": ("\n\ndef setup(config):\n    return 7\n", 3, "TypeError"),
}


@pytest.mark.unmeasured
@pytest.mark.parametrize(("source", "line", "error"), PLACES.values(), ids=PLACES)
def test_the_line_of_the_site_is_named(home: Home, source: str, line: int, error: str) -> None:
    """Not ours (issue 16, point 7)."""
    install(home, source, "ours")
    place = f"{home.path}/checkers/ours.py:{line}: {error}: "
    assert place in home.smtp(SAID, LOGLEVEL="1").stderr.decode()
    assert place in said_by("qmail-smtpd-check", home, 2)
    assert place in said_by("qmail-smtpd-explain", home, None, *ASKED)
