"""inspect/foreign.py: what other qmails read and we do not, by name."""

from __future__ import annotations

import pytest

from qmail_smtpd.control import catalogue
from qmail_smtpd.inspect import others

from ..support.checked import check
from ..support.home import Home


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("servercert.pem", ("netqmail", "write the path of the PEM file into control/smtpcert")),
        ("dnsbllist", ("sagredo's qmail", "control/rbllist", "RBL")),
        ("badhelo", ("there is nothing like it here",)),
        ("badmailto", ("control/badrcptto",)),
        ("validrcptto.cdb", ("RCPTCHECK",)),
        ("badmimetypes.cdb", ("s/qmail", "REJECTEXEC")),
        ("spamdyke.conf", ("spamdyke",)),
    ],
)
def test_a_file(home: Home, name: str, words: tuple[str, ...]) -> None:
    home.control(name, "x\n")
    checked = check(home)
    assert checked.has("warning", f"control/{name}", "without effect here", *words), checked.findings
    assert len(checked.findings) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DENYMAIL", ("NOBOUNCE", "RETURNMXCHECK")),
        ("MFDNSCHECK", ("s/qmail", "RETURNMXCHECK")),
        ("CHKUSER_RCPTLIMIT", ("sagredo's qmail", "RCPTCHECK")),
        ("HELOCHECK", ("there is nothing like it here",)),
        ("UCSPITLS", ("control/smtpcert",)),
        ("MAXRECIPIENTS", ("MAXRCPTCOUNT",)),
        ("REQUIRE_AUTH", ("AUTHREQUIRED",)),
        ("ENABLE_SPP", ("sagredo's qmail", "NOSPP")),
    ],
)
def test_a_variable(home: Home, name: str, words: tuple[str, ...]) -> None:
    (home.path / "rules").write_text(f'10.:allow,{name}="1"\n')
    for checked, place in (
        (check(home, **{name: "1"}), "environment"),
        (check(home, "--rules", str(home.path / "rules")), f"{home.path}/rules:1"),
    ):
        assert checked.has("warning", place, f"{name} is a variable of", "without effect here", *words)
        assert len(checked.findings) == 1


def test_a_site_that_has_what_is_used_here_hears_nothing(home: Home) -> None:
    """The old files may stay for the way back."""
    home.control("dnsbllist", "list.example\n")
    home.control("rbllist", "list.example reject any Listed.\n")
    home.control("tarpitcount", "5\n")
    assert check(home, RBL="", TARPITCOUNT="5", MAXRECIPIENTS="9", MAXRCPTCOUNT="9").findings == []


def test_rblsmtpd_may_stand_before_us(home: Home) -> None:
    (home.path / "rules").write_text('10.:allow,RBLSMTPD=""\n')
    assert check(home, "--rules", str(home.path / "rules")).findings == []


def test_the_table_names_what_there_is() -> None:
    """Nothing of ours is somebody else's, and what answers for another is of ours."""
    assert not set(others.FILES) & set(catalogue.FILES)
    assert not set(others.VARIABLES) & set(catalogue.VARIABLES)
    for other in (*others.FILES.values(), *others.VARIABLES.values(), others.CHKUSER):
        assert set(other.here) <= set(catalogue.FILES) | set(catalogue.VARIABLES), other.here
