"""What a plugin can say, each command over the wire, and that nothing strange gets through."""

from __future__ import annotations

import pytest

from ..support.home import Home, codes
from ..support.plugin_site import ENVELOPE, EVERYTHING, MESSAGE, SECTIONS, PluginSite


@pytest.fixture
def site(home: Home) -> PluginSite:
    return PluginSite(home)


# E, R, D


@pytest.mark.parametrize("section", SECTIONS)
def test_a_refusal_is_told_as_it_is_and_the_session_goes_on(site: PluginSite, section: str) -> None:
    site.says(section, "E553 sorry, not today (#5.7.1)", "E554 too late")
    text = "EHLO client.test\r\n" + ENVELOPE + ("DATA\r\n" if section == "data" else "")
    lines = site.talk(text).stdout.split(b"\r\n")
    assert b"553 sorry, not today (#5.7.1)" in lines
    assert not any(line.startswith(b"554") for line in lines)
    assert lines[-2].startswith(b"221")


@pytest.mark.parametrize(("section", "before"), SECTIONS.items())
def test_reply_and_drop(site: PluginSite, section: str, before: int) -> None:
    site.says(section, "R421 enough of you")
    done = site.talk(EVERYTHING)
    assert codes(done.stdout) == [220, 250, 250, 250][:before] + [421]
    assert done.stdout.endswith(b"421 enough of you\r\n") and done.returncode == 1
    assert site.home.queued() == []


@pytest.mark.parametrize(("section", "before"), SECTIONS.items())
def test_drop_without_reply(site: PluginSite, section: str, before: int) -> None:
    site.says(section, "D")
    done = site.talk(EVERYTHING)
    assert codes(done.stdout) == [220, 250, 250, 250][:before]
    assert done.returncode == 1 and site.home.queued() == []


@pytest.mark.parametrize(
    "command",
    [
        "Esorry",
        "E250 ok",
        "E",
        "E55 short",
        "E55",
        "E4",
        "R4",
        "R",
        "L",
        "LM55",
        "E600 x",
        "E5533 long",
        "E354 go",
        "Rbye",
        "LMbye",
        "LX553 no",
    ],
)
def test_what_is_no_refusal_defers(site: PluginSite, command: str) -> None:
    site.says("rcpt", command)
    done = site.talk(ENVELOPE)
    assert codes(done.stdout) == [220, 250, 451, 221]
    assert b"plugin plugins/rcpt.0 (control/smtpplugins:2) at rcpt: printed " in done.stderr


def test_replies_are_one_line_of_harmless_bytes(site: PluginSite) -> None:
    site.says("mail", b"E553 a\rb\x07c\x00d" + 600 * b"e", b"E553 never")
    site.says("rcpt", b"E553 " + 600 * b"e")
    stdout = site.talk().stdout
    assert b"\r\n553 a b c\r\n" in stdout and b"never" not in stdout
    site.says("helo", b"E553 " + 600 * b"e")
    assert max(map(len, site.talk("HELO x\r\n").stdout.split(b"\r\n"))) == 510


# P


def test_printed_lines_come_before_a_refusal(site: PluginSite) -> None:
    site.says("mail", "P553-first", "Psecond")
    site.says("mail", "P553 \x01third", "E550 last")
    stdout = site.talk("MAIL FROM:<>\r\n").stdout
    assert b"\r\n550-first\r\n550-second\r\n550- third\r\n550 last\r\n221 " in stdout


def test_printed_lines_without_a_refusal_go_nowhere(site: PluginSite) -> None:
    for section in SECTIONS:
        site.says(section, "P250 hello", "P354 hello")
    done = site.talk(EVERYTHING)
    assert codes(done.stdout) == [220, 250, 250, 250, 354, 250, 221]
    assert b"hello" not in done.stdout and b"plugins printed P, but none refused" in done.stderr


# A, N, O


@pytest.mark.parametrize("command", ["A", "N", "O"])
def test_the_plugins_behind_are_not_asked(site: PluginSite, command: str) -> None:
    site.says("mail", "HX-First: 1", command, "E553 not read")
    site.says("mail", "E553 not asked")
    assert codes(site.talk().stdout) == [220, 250, 250, 354, 250, 221]
    assert site.home.queued()[0].message.startswith(b"X-First: 1\n")


@pytest.mark.parametrize(("command", "code"), [("A", 250), ("N", 553), ("O", 553)])
def test_only_one_of_them_is_for_the_session(site: PluginSite, command: str, code: int) -> None:
    site.says("mail", command)
    site.says("rcpt", "E553 no")
    assert codes(site.talk(ENVELOPE).stdout) == [220, 250, code, 221]


@pytest.mark.parametrize(("command", "code"), [("", 553), ("A", 553), ("N", 553), ("O", 250)])
def test_our_own_checks_of_mail(site: PluginSite, command: str, code: int) -> None:
    site.home.control("badmailfrom", "joe@example.net\n")
    site.says("mail", command)
    assert codes(site.talk("MAIL FROM:<joe@example.net>\r\n").stdout) == [220, code, 221]


@pytest.mark.parametrize(
    ("command", "code"), [("", 553), ("A", 553), ("N", 553), ("O", 250), ("OK", 553), ("Ofcourse", 553)]
)
def test_our_own_checks_of_rcpt(site: PluginSite, command: str, code: int) -> None:
    site.says("rcpt", command)
    text = "MAIL FROM:<joe@example.net>\r\nRCPT TO:<ann@elsewhere.example>\r\n"
    assert codes(site.talk(text).stdout) == [220, 250, code, 221]


def test_overrule_is_for_one_command_only(site: PluginSite) -> None:
    site.script("rcpt", 'test "$SMTPRCPTTO" = a@elsewhere.example && echo O')
    text = "MAIL FROM:<>\r\nRCPT TO:<a@elsewhere.example>\r\nRCPT TO:<b@elsewhere.example>\r\n"
    assert codes(site.talk(text).stdout) == [220, 250, 250, 553, 221]


def test_overrule_leaves_what_is_no_check(site: PluginSite) -> None:
    site.says("rcpt", "O")
    site.talk(RELAYCLIENT=".relay")
    assert site.home.queued()[0].recipients == ["ann@example.org.relay"]


@pytest.mark.parametrize("line", ["OK", "Accepted", "Nothing found", "something", "550 no", "e553 no"])
def test_stray_words_are_logged_and_mean_nothing(site: PluginSite, line: str) -> None:
    site.says("mail", "", line, "")
    site.says("mail", "E553 asked")
    done = site.talk("MAIL FROM:<>\r\n")
    assert codes(done.stdout) == [220, 553, 221]
    assert f"at mail: printed 1 lines that are no commands, the first: {line}".encode() in done.stderr


# H, C, S, U


def test_headers(site: PluginSite) -> None:
    site.says("helo", "HX-Helo: 1")
    site.says("mail", b"HX-Mail: a\rb\tc\xe4", "H\tfolded")
    site.says("rcpt", "HX-Rcpt: 1")
    site.says("data", "HX-Data: 1")
    site.talk("EHLO a\r\nEHLO b\r\n" + ENVELOPE + MESSAGE + ENVELOPE + MESSAGE)
    first, second = site.home.queued()
    for queued in (first, second):
        lines, _, rest = queued.message.partition(b"Received: from ")
        assert lines.split(b"\n") == [
            b"X-Mail: a b c\xe4",
            b"  folded"[1:],
            b"X-Rcpt: 1",
            b"X-Helo: 1",
            b"X-Data: 1",
            b"",
        ]
        assert rest.endswith(b"Subject: hello\n\nhello\n")


@pytest.mark.parametrize("header", ["", "no colon", " folded", ": no name", "two words: x"])
def test_what_is_no_header_line_defers(site: PluginSite, header: str) -> None:
    site.says("mail", "H" + header)
    assert codes(site.talk("MAIL FROM:<>\r\n").stdout) == [220, 451, 221]


def test_another_sender(site: PluginSite) -> None:
    site.home.control("badmailfrom", "bad@example.net\n")
    site.says("mail", "Cother@example.net")
    site.script("mail", 'test "$SMTPMAILFROM" = other@example.net || echo E553 "$SMTPMAILFROM"')
    site.talk("MAIL FROM:<bad@example.net>\r\nRCPT TO:<a@example.org>\r\n" + MESSAGE)
    assert site.home.queued()[0].sender == "other@example.net"


def test_another_sender_is_checked(site: PluginSite) -> None:
    site.says("mail", "C")
    assert codes(site.talk("MAIL FROM:<joe@example.net>\r\n", NOBOUNCE="").stdout) == [220, 554, 221]


@pytest.mark.parametrize(
    ("given", "changed", "code"),
    [
        ("a@example.org", "b@local.example.org", 250),
        ("a@example.org", "b@elsewhere.example", 250),  # the site sends it there, not the client
        ("a@elsewhere.example", "b@example.org", 250),
        ("a@elsewhere.example", "b@elsewhere.example", 553),
        ("a@example.org", "bad@example.org", 553),
    ],
)
def test_another_recipient(site: PluginSite, given: str, changed: str, code: int) -> None:
    site.home.control("badrcptto", "bad@example.org\n")
    site.says("rcpt", f"C{changed}")
    site.script("rcpt", f'test "$SMTPRCPTTO" = {changed} || echo E450')
    done = site.talk(f"MAIL FROM:<>\r\nRCPT TO:<{given}>\r\n" + MESSAGE)
    assert codes(done.stdout)[2] == code
    assert [queued.recipients for queued in site.home.queued()] == ([[changed]] if code == 250 else [])


@pytest.mark.parametrize(
    ("section", "command"), [("rcpt", "C"), ("rcpt", "C" + 900 * "a"), ("data", "Ca@b"), ("helo", "Ca@b")]
)
def test_no_such_address(site: PluginSite, section: str, command: str) -> None:
    site.says(section, command)
    assert 451 in codes(site.talk("HELO x\r\n" + ENVELOPE + "DATA\r\n").stdout)


def test_variables_reach_later_plugins_and_the_queue(site: PluginSite) -> None:
    site.says("connection", "SONE=1=one", "STWO=2", "STHREE=3")
    site.says("helo", "UTWO", "UNOTHING", "STHREE=")
    site.script("mail", "env -0 > seen")
    site.talk(EVERYTHING, FOUR="4")
    for env in (site.seen("seen"), site.home.queued()[0].env):
        assert [env.get(name) for name in ("ONE", "TWO", "THREE", "FOUR")] == ["1=one", None, "", "4"]


@pytest.mark.parametrize("command", ["S", "SNAME", "S=value"])
def test_what_sets_nothing_defers(site: PluginSite, command: str) -> None:
    site.says("mail", command)
    assert codes(site.talk("MAIL FROM:<>\r\n").stdout) == [220, 451, 221]


@pytest.mark.parametrize("section", ["connection", "helo", "mail", "rcpt"])
def test_relaying_granted_by_a_plugin(site: PluginSite, section: str) -> None:
    site.says(section, "SRELAYCLIENT=")
    text = "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@elsewhere.example>\r\n"
    assert codes(site.talk(text).stdout) == [220, 250, 250, 250, 221]


@pytest.mark.parametrize("section", ["connection", "helo", "mail", "rcpt"])
def test_relaying_taken_away_by_a_plugin(site: PluginSite, section: str) -> None:
    site.says(section, "URELAYCLIENT")
    text = "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@elsewhere.example>\r\n"
    assert codes(site.talk(text, RELAYCLIENT="").stdout) == [220, 250, 250, 553, 221]
