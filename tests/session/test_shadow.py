"""SHADOW: checks that log what they would refuse, and refuse nothing."""

from __future__ import annotations

import pytest

from qmail_smtpd.control.files import ControlError

from ..support.home import Home, codes
from ..support.inprocess import Ending, converse

MAIL = b"MAIL FROM:<bad@spam.example>\r\n"
RCPT = b"RCPT TO:<you@example.org>\r\n"
LISTED = {"badmailfrom": b"# bad ones\n@spam.example\n"}
SITE = """
from qmail_smtpd.checker import Checker
def setup(config):
    return Fails()
class Fails(Checker):
    def rcpt(self, session, event):
        raise RuntimeError("no such thing")
"""


def talk(*lines: bytes, control: dict[str, bytes] | None = None, **env: str) -> Ending:
    variables = {name.encode(): value.encode() for name, value in env.items()}
    return converse([*lines, b"QUIT\r\n"], control=control, env=variables)


def shadows(ending: Ending) -> list[bytes]:
    return [line for line in ending.log if line.startswith(b"shadow ")]


def test_a_shadowed_check_logs_instead_of_refusing() -> None:
    assert codes(talk(MAIL, RCPT, control=LISTED).output) == [220, 553, 503, 221]
    ending = talk(MAIL, RCPT, control=LISTED, SHADOW="badmailfrom")
    assert codes(ending.output) == [220, 250, 250, 221]
    reply = b"553 mail from this sender is not accepted here (#5.7.1)"
    assert shadows(ending) == [b"shadow badmailfrom would refuse: " + reply + b" (control/badmailfrom:2)"]


@pytest.mark.parametrize("names", ["badmailfrom,nobounce", "nobounce badmailfrom", "badmailfrom , nobounce,,"])
def test_names_are_separated_by_commas_or_blanks(names: str) -> None:
    ending = talk(MAIL, b"MAIL FROM:<>\r\n", control=LISTED, SHADOW=names, NOBOUNCE="")
    assert codes(ending.output) == [220, 250, 250, 221]
    assert len(shadows(ending)) == 2


def test_other_checks_refuse_as_ever() -> None:
    ending = talk(MAIL, b"MAIL FROM:<nodomain>\r\n", control=LISTED, SHADOW="badmailfrom", SANITYCHECK="")
    assert codes(ending.output) == [220, 250, 554, 221]


def test_checks_after_a_shadowed_one_are_asked() -> None:
    control = {**LISTED, "badmailpatterns": b"*@spam.*\n"}
    ending = talk(MAIL, control=control, SHADOW="badmailfrom")
    assert codes(ending.output) == [220, 553, 221]
    ending = talk(MAIL, control=control, SHADOW="badmailfrom badmailpatterns")
    assert codes(ending.output) == [220, 250, 221]
    assert len(shadows(ending)) == 2


def test_no_line_where_nothing_would_be_refused() -> None:
    ending = talk(b"MAIL FROM:<me@good.example>\r\n", RCPT, control=LISTED, SHADOW="badmailfrom rcpthosts")
    assert codes(ending.output) == [220, 250, 250, 221]
    assert not shadows(ending)


def test_shadowing_rcpthosts_makes_no_open_relay() -> None:
    """Somebody has to accept a recipient: a shadowed check that does not object is not somebody who does."""
    ending = talk(MAIL, b"RCPT TO:<you@elsewhere.example>\r\n", b"DATA\r\n", SHADOW="rcpthosts")
    assert codes(ending.output) == [220, 250, 553, 503, 221]
    assert not ending.started


@pytest.mark.parametrize("hook", ["mail", "rcpt"])
def test_a_refusal_for_now_is_shadowed_too(home: Home, hook: str) -> None:
    checker = SITE.replace("def rcpt", f"def {hook}")
    (home.path / "failing.py").write_text(checker)
    home.control("smtpcheckers", "failing\n")
    talk = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<you@example.org>\r\nQUIT\r\n"
    assert 451 in codes(home.smtp(talk).stdout)
    done = home.smtp(talk, SHADOW="failing")
    assert codes(done.stdout) == [220, 250, 250, 221]
    assert b"checker failing failed at " + hook.encode() in done.stderr
    assert b"RuntimeError: no such thing" in done.stderr
    assert b"shadow failing would refuse: 451 " in done.stderr


def test_a_checker_that_cannot_be_loaded_is_shadowed_too(home: Home) -> None:
    home.control("smtpcheckers", "does_not_exist\n")
    talk = b"MAIL FROM:<a@b.example>\r\nQUIT\r\n"
    assert codes(home.smtp(talk).stdout) == [220, 451, 221]
    done = home.smtp(talk, SHADOW="does_not_exist")
    assert codes(done.stdout) == [220, 250, 221]
    assert b"shadow does_not_exist would refuse: 451 " in done.stderr


@pytest.mark.parametrize("line", ["ours\targ", " ours", "ours  arg"])
def test_a_checker_of_the_site_is_shadowed_by_its_name(home: Home, line: str) -> None:
    (home.path / "ours.py").write_text(SITE.replace("config)", "config, *words)"))
    home.control("smtpcheckers", line + "\n")
    said = "MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nQUIT\r\n"
    assert codes(home.smtp(said).stdout) == [220, 250, 451, 221]
    assert codes(home.smtp(said, SHADOW="ours").stdout) == [220, 250, 250, 221]


def test_a_scanner_that_fails_is_shadowed_too(home: Home) -> None:
    (home.path / "ours.py").write_text(SITE.replace("def rcpt(", "def block("))
    home.control("smtpcheckers", "ours\n")
    said = "MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nx: y\r\n.\r\nQUIT\r\n"
    assert codes(home.smtp(said).stdout) == [220, 250, 250, 354, 451, 221]
    assert codes(home.smtp(said, SHADOW="ours").stdout) == [220, 250, 250, 354, 250, 221]


def test_a_broken_home_is_not_shadowed() -> None:
    """What is unreadable for one check may be so for another that is in force: everybody gets 421."""
    with pytest.raises(ControlError):
        talk(MAIL, control={"rbllist": b"only.base\n"}, RBL="", SHADOW="dnsbl")


def test_what_shadowed_checks_refuse_counts_for_the_message(home: Home) -> None:
    """The message is queued although its end would have been refused."""
    home.control("signatures", "TVqQ\n")
    talk = (
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<you@example.org>\r\nDATA\r\nSubject: x\r\n\r\nTVqQAAMA\r\n.\r\nQUIT\r\n"
    )
    assert codes(home.smtp(talk, REJECTEXEC="").stdout) == [220, 250, 250, 354, 552, 221]
    assert not home.queued()
    done = home.smtp(talk, REJECTEXEC="", SHADOW="rejectexec")
    assert codes(done.stdout) == [220, 250, 250, 354, 250, 221]
    assert b"would refuse: 552" in done.stderr
    assert len(home.queued()) == 1
