"""SPFBEHAVIOR: which results are refused, for whom, and what is recorded (SPEC section 17)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from ..mailauth.zones import lookup_in
from ..support.home import Home, codes
from ..support.nameserver import NameServer, Silence
from ..support.processes import BIN

ZONE = {
    "pass.test": [{"TXT": "v=spf1 ip4:192.0.2.10 -all"}],
    "fail.test": [{"TXT": "v=spf1 -all"}],
    "explains.test": [{"TXT": "v=spf1 -all exp=why.explains.test"}],
    "why.explains.test": [{"TXT": "%{i} is none of ours"}],
    "softfail.test": [{"TXT": "v=spf1 ~all"}],
    "neutral.test": [{"TXT": "v=spf1 ?all"}],
    "none.test": [{"TXT": "something else"}],
    "permerror.test": [{"TXT": "v=spf1 foo -all"}],
    "temperror.test": ["TIMEOUT"],
    "xn--bcher-kva.test": [{"TXT": "v=spf1 -all"}],
}
RESULTS = ("pass", "permerror", "temperror", "fail", "softfail", "neutral", "none")
REFUSED_FROM = {"temperror": 2, "fail": 3, "softfail": 4, "neutral": 5, "none": 6}


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with NameServer(lookup_in(ZONE)) as running:
        yield running


@pytest.fixture
def mail(home: Home, server: NameServer):
    """What is said to a MAIL, and the log."""

    def say(sender, helo="pass.test", more="", **env):
        env = {"SPFBEHAVIOR": "6", "DNSCACHEIP": f"127.0.0.1:{server.port}", **env}
        done = home.smtp(f"HELO {helo}\r\nMAIL FROM:<{sender}>\r\n{more}QUIT\r\n", **env)
        replies = done.stdout.decode("latin1").split("\r\n")
        assert codes(done.stdout)[:2] == [220, 250] and codes(done.stdout)[-1] == 221
        return replies[2], done.stderr.decode()

    return say


@pytest.mark.parametrize("behavior", range(8))
@pytest.mark.parametrize("result", RESULTS)
def test_behavior(mail, result, behavior):
    said, log = mail(f"u@{result}.test", SPFBEHAVIOR=str(behavior))
    refused = behavior >= REFUSED_FROM.get(result, 99)
    code, extended = (451, "(#4.4.3)") if result == "temperror" else (550, "(#5.7.23)")
    assert said.startswith(str(code) if refused else "250 ") and (not refused or said.endswith(extended))
    assert (f"spf={result} " in log) == (behavior > 0)


def test_the_file_counts_where_the_variable_is_not_set(home, mail):
    home.control("spfbehavior", "3\n")
    assert mail("u@fail.test", SPFBEHAVIOR=None)[0].startswith("550 ")
    assert mail("u@fail.test", SPFBEHAVIOR="0")[0].startswith("250 ")
    home.control("spfbehavior", "0\n")
    assert mail("u@fail.test", SPFBEHAVIOR=None)[0].startswith("250 ")


def test_the_name_in_helo_answers_for_a_bounce(mail):
    assert mail("", "fail.test")[0].startswith("550 SPF fail: 192.0.2.10 may not send for fail.test")
    assert mail("", "pass.test")[0].startswith("250 ")
    assert mail("u@pass.test", "fail.test")[0].startswith("250 ")


def test_a_domain_in_utf_8_is_asked_for_in_a_labels(mail):
    said, log = mail("u@b\xc3\xbccher.test")
    assert said.startswith("550 SPF fail: 192.0.2.10 may not send for xn--bcher-kva.test")
    assert "spf=fail xn--bcher-kva.test: -all" in log
    assert mail("u@b\xfccher.test")[0].startswith("550 SPF none: ")  # no UTF-8


def test_senders_without_a_domain_have_no_result(mail):
    assert mail("pass.test")[0].startswith("550 SPF none: ")
    assert mail("pass.test", SPFBEHAVIOR="5")[0].startswith("250 ")


def test_not_for_clients_that_may_relay_nor_for_senders_that_are_excused(home, mail):
    assert mail("u@fail.test", RELAYCLIENT="")[0].startswith("250 ")
    home.control("goodmailfrom", "@fail.test\n")
    said, log = mail("u@fail.test")
    assert said.startswith("250 ") and "spf=" not in log


def test_the_shadow_only_tells(mail):
    said, log = mail("u@fail.test", SHADOW="spf")
    assert said.startswith("250 ")
    assert "shadow spf would refuse: 550 SPF fail" in log and "fail.test: -all: v=spf1 -all" in log


def test_the_domain_explains_itself(mail):
    assert mail("u@explains.test")[0] == "550 SPF fail, explains.test explains: 192.0.2.10 is none of ours (#5.7.23)"


def test_the_site_explains_what_the_domain_does_not(home, mail):
    home.control("spfexp", "see http://%{r}/spf?%{S}\n")
    assert mail("u@fail.test")[0] == "550 SPF fail: see http://mx.example.org/spf?u%40fail.test (#5.7.23)"
    assert "is none of ours" in mail("u@explains.test")[0]


def test_no_byte_of_an_explanation_harms_the_reply(home, mail):
    home.control("spfexp", "%{s}\n")
    said, _ = mail('"\xe9\\\x07"@fail.test')
    assert said == "550 SPF fail: ? @fail.test (#5.7.23)"


def test_rules_of_the_site(home, mail):
    home.control("spfrules", "ip4:192.0.2.0/24\n")
    assert mail("u@fail.test")[0].startswith("250 ")
    assert mail("u@fail.test", TCPREMOTEIP="198.51.100.1")[0].startswith("550 ")


@pytest.mark.parametrize("name", ["spfrules", "spfexp"])
def test_a_file_that_makes_no_sense_is_told_before_the_greeting(home, name):
    home.control(name, "%{\n")
    done = home.smtp("QUIT\r\n", SPFBEHAVIOR="1")
    assert codes(done.stdout) == [421] and f"control/{name}".encode() in done.stderr


@pytest.mark.parametrize(("sender", "said"), [("u@pass.test", "passes"), ("u@fail.test", "refuses")])
def test_explain_shows_the_record(home, server, sender, said):
    argv = [str(BIN / "qmail-smtpd-explain"), "--ip", "192.0.2.10", "--from", sender, "--to", "u@example.org", "--json"]
    env = home.env(SPFBEHAVIOR="3", DNSCACHEIP=f"127.0.0.1:{server.port}")
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    (mail,) = (step for step in json.loads(done.stdout)["steps"] if step["command"].startswith("MAIL"))
    (check,) = (check for check in mail["checks"] if check["check"] == "spf")
    assert check["said"] == said
    assert ZONE[sender[2:]][0]["TXT"] in check["reason"]


def test_json_log_of_a_message(mail):
    more = "RCPT TO:<u@example.org>\r\nDATA\r\n\r\n.\r\n"
    _, log = mail("u@softfail.test", more=more, SPFBEHAVIOR="1", LOGFORMAT="json")
    lines = [json.loads(line) for line in log.splitlines()]
    (message,) = (line for line in lines if line["event"] == "message")
    assert message["results"][0] == {
        "method": "spf",
        "result": "softfail",
        "domain": "softfail.test",
        "smtp.mailfrom": "softfail.test",
        "reason": "softfail.test: ~all",
        "record": "v=spf1 ~all",
    }


def test_a_silent_dns_costs_the_deadline_and_is_a_temperror(home, mail):
    home.control("dnstimeout", "1\n")
    with NameServer(silent) as server:
        said, _ = mail("u@pass.test", DNSCACHEIP=f"127.0.0.1:{server.port}")
    assert said == "451 cannot look up the SPF record of pass.test now (#4.4.3)"


def silent(name, rtype):
    raise Silence
