"""The lines of control/smtpmilters and control/smtppolicies."""

from __future__ import annotations

import socket

import pytest

from qmail_smtpd.control.files import ControlError, ListFile
from qmail_smtpd.filters.settings import MILTER_OPTIONS, POLICY_OPTIONS, Filter, read


def milters(text: str) -> list[Filter]:
    return read(ListFile("smtpmilters", text.encode()), MILTER_OPTIONS)


def test_lines_and_defaults() -> None:
    first, second, third = milters(
        "# comment\nrspamd inet:127.0.0.1:11332\n"
        "dkim  unix:/run/dkim.sock default=accept\tfor=authenticated timeout=5 end=7 connect=1 quarantine=reject\n"
        "six inet6:[::1]:8891\n"
    )
    assert (first.name, first.address, first.place) == (
        "rspamd",
        (socket.AF_INET, b"127.0.0.1", 11332),
        b"control/smtpmilters:2",
    )
    assert [first.seconds(option) for option in (b"connect", b"timeout", b"end")] == [10, 30, 300]
    assert [first.word(option) for option in (b"default", b"quarantine")] == [b"tempfail", b"header"]
    assert second.address == (socket.AF_UNIX, b"/run/dkim.sock", 0)
    assert [second.seconds(option) for option in (b"connect", b"timeout", b"end")] == [1, 5, 7]
    assert [second.word(option) for option in (b"default", b"quarantine")] == [b"accept", b"reject"]
    assert third.address == (socket.AF_INET6, b"::1", 8891)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("rspamd", "not NAME ADDRESS"),
        ("r tcp:host:1", "not inet:HOST:PORT"),
        ("r inet:::1:25", "not inet:HOST:PORT"),
        ("r inet6:::1:25", "not inet:HOST:PORT"),
        ("r inet::25", "there is no host name or address"),
        ("r inet:host", "there is no host name or address"),
        ("r inet:host:", "the port is no number"),
        ("r inet:host:0", "the port is no number"),
        ("r inet:host:65536", "the port is no number"),
        ("r inet:host:http", "the port is no number"),
        ("r unix:", "not inet:HOST:PORT"),
        ("r unix:/s default=drop", "default= must be one of tempfail, accept, reject"),
        ("r unix:/s timeout=0", "timeout= must be a number of seconds"),
        ("r unix:/s timeout=1s", "timeout= must be a number of seconds"),
        ("r unix:/s end=", "end= must be a number of seconds"),
        ("r unix:/s end=86401", "end= must be a number of seconds"),
        ("r unix:/s at=rcpt", "unknown option at; there are connect= timeout="),
        ("r unix:/s accept", "unknown option accept"),
        ("r unix:/s end=1 end=1", "end= is given twice"),
        ("r unix:/s\nr unix:/t", "an earlier line has the name r already"),
        ("a,b unix:/s", "a name must be printable ASCII"),
        ("\u00e9 unix:/s", "a name must be printable ASCII"),
    ],
)
def test_a_malformed_line_says_what_is_wrong(line: str, why: str) -> None:
    with pytest.raises(ControlError) as trouble:
        milters(f"# first\n{line}\n")
    assert trouble.value.path == b"control/smtpmilters:%d" % (2 + line.count("\n"))
    assert why in trouble.value.reason.decode()


def test_policies_have_other_options() -> None:
    (one,) = read(ListFile("smtppolicies", b"grey inet:127.0.0.1:10023 at=data default=accept"), POLICY_OPTIONS)
    assert one.word(b"at") == b"data" and one.seconds(b"timeout") == 100


@pytest.mark.parametrize(
    ("audience", "concerned"),
    [("all", (1, 1, 1)), ("untrusted", (1, 0, 0)), ("authenticated", (0, 1, 0))],
)
def test_for(audience: str, concerned: tuple[int, ...]) -> None:
    """A stranger, a user, and a client that may relay."""
    (one,) = milters(f"r unix:/s for={audience}")
    assert (one.concerns(None, False), one.concerns(b"user", True), one.concerns(None, True)) == concerned
