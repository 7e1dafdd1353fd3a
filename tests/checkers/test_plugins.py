"""control/smtpplugins: when plugins are asked, what they are told, and what stands for later."""

from __future__ import annotations

import pytest

from ..support.home import Home, codes
from ..support.plugin_site import ENVELOPE, EVERYTHING, MESSAGE, SECTIONS, PluginSite

AUTHENTICATE = "AUTH PLAIN AHVzZXIAcGFzcw==\r\n"


@pytest.fixture
def site(home: Home) -> PluginSite:
    return PluginSite(home)


@pytest.fixture
def authenticating(site: PluginSite) -> PluginSite:
    """Everybody who tries is user@example.org."""
    site.home.program("auth_smtp", "#!/bin/sh\nprintf 'Kuser@example.org\\0'\n")
    return site


def test_silent_plugins_change_nothing(site: PluginSite) -> None:
    for section in SECTIONS:
        site.says(section)
    done = site.talk(EVERYTHING)
    assert codes(done.stdout) == [220, 250, 250, 250, 354, 250, 221]
    assert len(site.home.queued()) == 1


def test_no_plugins_with_nospp(site: PluginSite) -> None:
    site.says("mail", "E553 no")
    site.line("mail", "plugins/missing")
    assert codes(site.talk(NOSPP="").stdout) == [220, 250, 250, 354, 250, 221]


def test_another_file_of_plugins(site: PluginSite) -> None:
    site.says("mail", "E553 no")
    site.home.control("others", "[rcptto]\n:echo E550 not you\n")
    assert codes(site.talk(SPPCONFFILE="control/others").stdout) == [220, 250, 550, 503, 502, 502, 502, 502, 221]
    assert codes(site.talk(SPPCONFFILE="").stdout)[:2] == [220, 553]
    (site.home.path / "control/smtpplugins").unlink()
    place = site.home.path / "control/others"
    assert codes(site.talk(SPPCONFFILE=str(place)).stdout)[:3] == [220, 250, 550]
    done = site.home.smtp("QUIT\r\n", SPPCONFFILE="control/nothing")
    assert codes(done.stdout) == [421] and b"control/nothing: No such file" in done.stderr


def test_a_refused_connection_is_a_restricted_session(site: PluginSite) -> None:
    site.says("connection", "E554 go away (#5.7.1)")
    done = site.talk("EHLO client.test\r\nMAIL FROM:<>\r\n")
    assert done.stdout.startswith(b"554 go away (#5.7.1)\r\n")
    assert codes(done.stdout) == [554, 503, 503, 221]
    assert b"connection refused: 554 go away (#5.7.1) (control/smtpplugins:2)" in done.stderr


def test_a_refused_connection_ends_with_smtp550disconnect(site: PluginSite) -> None:
    site.says("connection", "E554 go away")
    done = site.talk("NOOP\r\n", SMTP550DISCONNECT="")
    assert (codes(done.stdout), done.returncode) == ([554], 0)


# What plugins are told


def test_the_environment_grows_with_the_session(authenticating: PluginSite) -> None:
    site = authenticating
    for section in (*SECTIONS, "auth"):
        site.script(section, f"env -0 > {section}")
    rcpts = "RCPT TO:<no@elsewhere.example>\r\nRCPT TO:<a@local.example.org>\r\nRCPT TO:<b@example.org>\r\n"
    done = site.talk(
        "EHLO client.test\r\nMAIL FROM:<joe@example.net>\r\n" + rcpts + AUTHENTICATE + MESSAGE, SMTPAUTH=""
    )
    assert codes(done.stdout) == [220, 250, 250, 553, 250, 250, 235, 354, 250, 221]

    def told(section: str) -> dict[str, str]:
        env = site.seen(section)
        assert env["TCPREMOTEIP"] == "192.0.2.10"
        return {name: value for name, value in env.items() if name.startswith("SMTP") and name != "SMTPAUTH"}

    helo = {"SMTPHELOHOST": "client.test"}
    sender = {**helo, "SMTPMAILFROM": "joe@example.net"}
    last = {"SMTPRCPTTO": "b@example.org", "SMTPRCPTCOUNTALL": "3", "SMTPRCPTHOSTSOK": "1"}
    user = {"SMTPAUTHUSER": "user@example.org", "SMTPAUTHMETHOD": "plain"}
    assert told("connection") == {}
    assert told("helo") == helo
    assert told("mail") == sender
    assert told("rcpt") == {**sender, **last, "SMTPRCPTCOUNT": "1"}
    assert told("auth") == told("data") == {**sender, **last, **user, "SMTPRCPTCOUNT": "2"}


@pytest.mark.parametrize(
    ("recipient", "env", "ok"),
    [
        ("a@example.org", {}, "1"),
        ("a@EXAMPLE.org", {}, "1"),
        ("a@local.example.org", {}, "1"),
        ("a@local.example.org", {"NOLOCAL": ""}, "0"),
        ("a@elsewhere.example", {}, "0"),
        ("a@elsewhere.example", {"RELAYCLIENT": ""}, "1"),
        ("postmaster", {}, "1"),
    ],
)
def test_rcpthosts_ok(site: PluginSite, recipient: str, env: dict[str, str], ok: str) -> None:
    site.script("rcpt", "env -0 > seen")
    done = site.talk(f"MAIL FROM:<>\r\nRCPT TO:<{recipient}>\r\n", **env)
    assert site.seen("seen")["SMTPRCPTHOSTSOK"] == ok
    assert codes(done.stdout)[2] == (250 if ok == "1" else 553)


def test_recipients_are_counted_anew_for_every_mail(site: PluginSite) -> None:
    site.script("rcpt", "env -0 > seen")
    site.talk(ENVELOPE + ENVELOPE)
    assert (site.seen("seen")["SMTPRCPTCOUNT"], site.seen("seen")["SMTPRCPTCOUNTALL"]) == ("0", "1")


def test_a_plugin_can_undo_an_authentication(authenticating: PluginSite) -> None:
    site = authenticating
    site.script("auth", 'test "$SMTPAUTHMETHOD" = login || echo E535 only LOGIN here')
    text = AUTHENTICATE + "MAIL FROM:<>\r\nRCPT TO:<a@elsewhere.example>\r\n"
    done = site.talk(text, SMTPAUTH="")
    assert codes(done.stdout) == [220, 535, 250, 553, 221]
    assert b"authentication success" not in done.stderr
    text = "AUTH LOGIN\r\ndXNlcg==\r\ncGFzcw==\r\n" + text.partition("\r\n")[2]
    assert codes(site.talk(text, SMTPAUTH="").stdout) == [220, 334, 334, 235, 250, 250, 221]


def test_plugins_are_asked_before_our_own_checks(site: PluginSite) -> None:
    site.home.control("badmailfrom", "@example.net\n")
    site.says("mail", "E550 the plugin was first")
    assert b"550 the plugin was first" in site.talk(ENVELOPE).stdout


def test_shadowed_plugins_refuse_nothing(site: PluginSite) -> None:
    site.says("mail", "E550 no")
    done = site.talk(SHADOW="plugins")
    assert codes(done.stdout) == [220, 250, 250, 354, 250, 221]
    assert b"shadow plugins would refuse: 550 no" in done.stderr


# L


@pytest.mark.parametrize(
    ("section", "command", "expected"),
    [
        ("connection", "LM553 no", [220, 250, 553, 503, 503, 221]),
        ("helo", "LM553 no", [220, 250, 553, 503, 503, 221]),
        ("helo", "LR553 no", [220, 250, 250, 553, 503, 221]),
        ("helo", "LD553 no", [220, 250, 250, 250, 553, 221]),
        ("mail", "LR553 no", [220, 250, 250, 553, 503, 221]),
        ("mail", "LD553 no", [220, 250, 250, 250, 553, 221]),
        ("rcpt", "LD553 no", [220, 250, 250, 250, 553, 221]),
        ("data", "LD553 no", [220, 250, 250, 250, 553, 221]),
    ],
)
def test_refusals_for_later(site: PluginSite, section: str, command: str, expected: list[int]) -> None:
    site.says(section, command, "LD554 the first one counts")
    done = site.talk("EHLO client.test\r\n" + ENVELOPE + "DATA\r\n")
    assert codes(done.stdout) == expected
    assert b"553 no (control/smtpplugins:2)" in done.stderr


def test_a_later_refusal_outlives_rset_helo_and_no_more_plugins(site: PluginSite) -> None:
    site.says("connection", "LM553 no", "A")
    text = "MAIL FROM:<>\r\nRSET\r\nHELO x\r\nMAIL FROM:<>\r\n"
    assert codes(site.talk(text).stdout) == [220, 553, 250, 250, 553, 221]


def test_a_later_refusal_of_a_transaction_ends_with_it(site: PluginSite) -> None:
    site.script("mail", 'test "$SMTPMAILFROM" = bad@example.net && echo LR553 no')
    bad, good, rcpt = "MAIL FROM:<bad@example.net>\r\n", "MAIL FROM:<a@example.net>\r\n", "RCPT TO:<a@example.org>\r\n"
    assert codes(site.talk(bad + rcpt + rcpt + good + rcpt).stdout) == [220, 250, 553, 553, 250, 250, 221]


def test_a_refused_mail_brings_the_refusal_of_the_one_before_back(site: PluginSite) -> None:
    site.script("mail", "case $SMTPMAILFROM in bad*) echo LD553 no;; refused*) echo E553 no;; esac")
    text = "MAIL FROM:<bad@x>\r\nRCPT TO:<a@example.org>\r\nMAIL FROM:<refused@x>\r\nDATA\r\n"
    assert codes(site.talk(text).stdout) == [220, 250, 250, 553, 553, 221]


def test_a_refusal_of_the_next_recipients(site: PluginSite) -> None:
    site.says("rcpt", "LR452 one is enough", "LM421 and no other message")
    rcpt = "RCPT TO:<a@example.org>\r\n"
    text = "MAIL FROM:<>\r\n" + rcpt + rcpt + "RSET\r\nMAIL FROM:<>\r\n"
    assert codes(site.talk(text).stdout) == [220, 250, 250, 452, 250, 421, 221]
