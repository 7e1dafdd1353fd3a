"""Milters and policy servers, as qmail-smtpd-check and qmail-smtpd-explain see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qmail_smtpd.filters import milter

from ..support.checked import check
from ..support.fake_milter import CONTINUE, FakeMilter, answer
from ..support.fake_policy import FakePolicy
from ..support.home import Home
from .test_explain import CLIENT, run

MESSAGE = "From: <a@b.example>\nSubject: hello\n\n.body\n"


# qmail-smtpd-check


@pytest.mark.parametrize(
    ("name", "text", "severity", "line", "words"),
    [
        ("smtpmilters", "one\n", "error", ":1", "not NAME ADDRESS [OPTION=VALUE]...; every session gets 421"),
        ("smtpmilters", "# x\none unix:/x at=data\n", "error", ":2", "unknown option at; there are connect= timeout="),
        ("smtpmilters", "one unix:/x\none unix:/y\n", "error", ":2", "the name one is that of control/smtpmilters:1"),
        ("smtpmilters", "size unix:/x\n", "warning", ":1", "the name size is that of a built-in check"),
        ("smtppolicies", "one inet:127.0.0.1\n", "error", ":1", "there is no host name or address"),
        ("smtppolicies", "one unix:/x end=5\n", "error", ":1", "unknown option end"),
    ],
)
def test_lines_that_are_wrong(home: Home, name: str, text: str, severity: str, line: str, words: str) -> None:
    home.control(name, text)
    assert check(home).has(severity, f"control/{name}{line}", words)


def test_one_name_in_both_files(home: Home) -> None:
    home.control("smtpmilters", "one unix:/x\n")
    home.control("smtppolicies", "one unix:/y\n")
    checked = check(home)
    assert checked.has("warning", "control/smtppolicies:1", "is that of control/smtpmilters:1: in SHADOW it means both")


def test_names_in_variables(home: Home) -> None:
    home.control("smtpmilters", "one unix:/x\n")
    home.control("smtppolicies", "two unix:/y\n")
    assert check(home, SHADOW="one,two", NOMILTERS="one", LOGLEVEL="1").findings == []
    checked = check(home, SHADOW="milters", NOMILTERS="two", LOGLEVEL="1")
    assert checked.has("error", "environment", "SHADOW: there is no check milters")
    assert checked.has("error", "environment", "NOMILTERS: control/smtpmilters has no milter named two")


# qmail-smtpd-explain


def explained(home: Home, *options: str, **env: str) -> dict[str, Any]:
    (home.path / "message").write_text(MESSAGE)
    arguments = (*CLIENT, "--from", "a@b.example", "--to", "u@example.org", *options, "--json")
    told: dict[str, Any] = json.loads(run(home, *arguments, env=env).stdout)
    return told


def said(told: dict[str, Any], command: str, name: str) -> str:
    (step,) = (one for one in told["steps"] if one["command"].startswith(command))
    (check,) = (one for one in step["checks"] if one["check"] == name)
    return f"{check['said']} {check['reply'] or ''} {check['reason'] or ''}".strip()


def test_milters_are_asked_about_a_message(home: Home) -> None:
    edits = [answer(milter.ADD_HEADER, b"X-Seen", b"yes"), CONTINUE]
    with (
        FakeMilter({milter.END_OF_BODY: edits}) as first,
        FakeMilter({milter.END_OF_BODY: [answer(milter.REJECT)]}) as second,
    ):
        home.control("smtpmilters", f"one {first.address}\ntwo {second.address}\n")
        told = explained(home, "--message", str(home.path / "message"))
        assert said(told, "(message)", "one") == "passes"
        assert said(told, "(message)", "two") == "refuses 550 refused by a filter (#5.7.1) control/smtpmilters:2"
        (step,) = (one for one in told["steps"] if one["command"] == "(message)")
        assert step["log"] == ["one edits: add X-Seen: yes"]
        assert second.told(milter.HEADER)[-1] == (b"X-Seen", b"yes")
        assert second.body() == b".body\r\n"
        assert "milters" not in told["not_configured"]


def test_shadow_and_discard(home: Home) -> None:
    with FakeMilter({milter.END_OF_BODY: [answer(milter.REJECT)]}) as first, FakeMilter() as second:
        second.answers[milter.END_OF_BODY] = [answer(milter.DISCARD)]
        home.control("smtpmilters", f"one {first.address}\ntwo {second.address}\n")
        told = explained(home, "--message", str(home.path / "message"), SHADOW="one")
    assert said(told, "(message)", "one").startswith("would refuse 550")
    (step,) = (one for one in told["steps"] if one["command"] == "(message)")
    assert any("message discarded by two" in line for line in step["log"])


def test_without_a_message_no_milter_is_asked(home: Home) -> None:
    with FakeMilter() as fake:
        home.control("smtpmilters", f"one {fake.address}\n")
        told = explained(home)
        assert not fake.sessions
    assert "without --message milters are not asked: one" in told["notes"]
    assert "milters" not in told["not_configured"]


def test_policy_servers_are_asked(home: Home) -> None:
    with FakePolicy("REJECT no") as server:
        home.control("smtppolicies", f"one {server.address}\n")
        told = explained(home)
        assert said(told, "RCPT", "one") == "refuses 550 no (#5.7.1) control/smtppolicies:1"
        assert server.asked[0]["recipient"] == "u@example.org"
