"""DMARCBEHAVIOR: what is refused, deferred and recorded, over whole sessions (SPEC section 17)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ..mailauth.zones import lookup_in
from ..support.dns import Relay
from ..support.home import Home, codes
from ..support.nameserver import NameServer, Silence
from ..support.signed import key_record, signed

POLICIES = ("none", "quarantine", "reject")
ZONE: dict[str, list[object]] = {
    **{f"_dmarc.{policy}.test": [{"TXT": f"v=DMARC1; p={policy}"}] for policy in POLICIES},
    **{f"{policy}.test": [{"TXT": "v=spf1 ip4:192.0.2.10 -all"}] for policy in POLICIES},
    "sel._domainkey.reject.test": [{"TXT": key_record()}],
    "sel._domainkey.other.test": [{"TXT": key_record()}],
    "late._domainkey.reject.test": ["TIMEOUT"],
    "_dmarc.testing.test": [{"TXT": "v=DMARC1; p=reject; t=y"}],
    "_dmarc.parent.test": [{"TXT": "v=DMARC1; p=none; sp=quarantine; np=reject"}],
    "there.parent.test": [{"A": "192.0.2.1"}],
    "_dmarc.broken.test": ["TIMEOUT"],
    "other.test": [{"TXT": "v=spf1 ip4:192.0.2.10 -all"}],
    "10.2.0.192.in-addr.arpa": [{"PTR": "client.test"}],
    "client.test": [{"A": "192.0.2.10"}],
}
TEXT = "From: {author}\r\nTo: u@example.org\r\nSubject: x\r\n\r\nhi\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with NameServer(lookup_in(ZONE)) as running:
        yield running


class Site:
    def __init__(self, home: Home, server: NameServer) -> None:
        self.home = home
        self.env = {"DMARCBEHAVIOR": "3", "DNSCACHEIP": f"127.0.0.1:{server.port}", "LOGFORMAT": "json"}
        self.facts: dict[str, dict[str, str]] = {}  # of the last message, by method

    def mail(self, message: str | bytes, sender: str = "u@other.test", helo: str = "client.test", **env: str) -> str:
        """The reply to the message."""
        text = message if isinstance(message, bytes) else TEXT.format(author=message).encode("latin1")
        session = b"HELO %b\r\nMAIL FROM:<%b>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n%b.\r\nQUIT\r\n" % (
            *(helo.encode(), sender.encode()),
            text,
        )
        run = self.home.smtp(session, **{**self.env, **env})
        assert codes(run.stdout)[:5] == [220, 250, 250, 250, 354], run.stderr
        events = [json.loads(line) for line in run.stderr.splitlines()]
        (told,) = [event for event in events if event["event"] == "message"]
        self.facts = {fact["method"]: fact for fact in told.get("results", [])}
        return run.stdout.split(b"\r\n")[5].decode()

    def field(self) -> bytes:
        """The first field of the last message that was queued."""
        return self.home.queued()[-1].message.replace(b"\n\t", b" ").split(b"\n")[0]


@pytest.fixture
def site(home: Home, server: NameServer) -> Site:
    return Site(home, server)


@pytest.mark.parametrize("behavior", range(5))
@pytest.mark.parametrize(
    ("author", "refused_from", "reply"),
    [
        ("u@none.test", 9, ""),
        ("u@quarantine.test", 9, ""),
        ("u@reject.test", 3, "550 refused by the DMARC policy of reject.test (#5.7.26)"),
        ("u@nowhere.parent.test", 3, "550 refused by the DMARC policy of nowhere.parent.test (#5.7.26)"),
        ("u@there.parent.test", 9, ""),
        ("u@testing.test", 9, ""),
        ("u@broken.test", 2, "451 the DMARC policy of broken.test cannot be looked up now (#4.7.0)"),
        ("u@unknown.test", 9, ""),
        ("u@reject.test, u@other.test", 9, ""),
        ("nobody", 9, ""),
    ],
)
def test_behavior(site: Site, behavior: int, author: str, refused_from: int, reply: str) -> None:
    said = site.mail(author, DMARCBEHAVIOR=str(behavior))
    assert said.startswith("250 ") if behavior < refused_from else said == reply
    assert ("dmarc" in site.facts) == (behavior > 0)


def test_the_file_counts_where_the_variable_is_not_set(site: Site) -> None:
    del site.env["DMARCBEHAVIOR"]
    site.home.control("dmarcbehavior", "3\n")
    assert site.mail("u@reject.test").startswith("550 ")
    assert site.mail("u@reject.test", DMARCBEHAVIOR="0").startswith("250 ")


@pytest.mark.parametrize(
    ("author", "sender", "result", "policy"),
    [
        ("u@reject.test", "u@reject.test", "pass", "reject"),
        ("Reject <u@REJECT.test>", "u@sub.reject.test", "fail", "reject"),  # it has no SPF record
        ("u@none.test", "u@other.test", "fail", "none"),
        ("u@testing.test", "u@other.test", "fail", "quarantine"),
        ("u@unknown.test", "u@unknown.test", "none", ""),
        ("u@broken.test", "u@other.test", "temperror", ""),
        ("u@reject.test, v@other.test", "u@other.test", "permerror", ""),
    ],
)
def test_what_is_recorded(site: Site, author: str, sender: str, result: str, policy: str) -> None:
    assert site.mail(author, sender, DMARCBEHAVIOR="1").startswith("250 ")
    domain = b"" if result == "permerror" else b" header.from=" + author.split("@")[1].strip(">").lower().encode()
    applies = b" policy.dmarc=" + policy.encode() if policy else b""
    assert b"; dmarc=" + result.encode() + domain + applies + b"; iprev=" in site.field()
    assert site.facts["dmarc"]["result"] == result


def test_a_signature_vouches_without_spf(site: Site) -> None:
    message = signed(TEXT.format(author="u@reject.test").encode(), "reject.test")
    assert site.mail(message).startswith("250 ")
    assert site.facts["dmarc"]["result"] == "pass" and site.facts["dmarc"]["reason"] == "dkim of reject.test"


def test_the_signature_of_another_does_not(site: Site) -> None:
    message = signed(TEXT.format(author="u@reject.test").encode(), "other.test")
    assert site.mail(message).startswith("550 ")
    assert (site.facts["dkim"]["result"], site.facts["dmarc"]["result"]) == ("pass", "fail")


def test_a_key_that_cannot_be_had_now_defers(site: Site) -> None:
    message = signed(TEXT.format(author="u@reject.test").encode(), "reject.test", b"late")
    assert site.mail(message).startswith("451 ")
    assert site.mail(message, DMARCBEHAVIOR="1").startswith("250 ")
    assert site.facts["dmarc"]["result"] == "temperror"


@pytest.mark.parametrize("is_signed", [True, False])
def test_the_first_questions_about_a_message_are_asked_at_once(site: Site, server: NameServer, is_signed: bool) -> None:
    """The relay answers none of them before it has all: policy, the client's name, and the key. A name without a dot
    has no SPF record."""
    text = TEXT.format(author="u@reject.test").encode()
    first = {"_dmarc.reject.test", "10.2.0.192.in-addr.arpa", *(["sel._domainkey.reject.test"] if is_signed else [])}
    site.home.control("dnstimeout", "3")
    with Relay(server.port, together=len(first)) as relay:
        site.env |= {"DNSCACHEIP": f"127.0.0.1:{relay.port}", "DMARCBEHAVIOR": "1"}
        site.mail(signed(text, "reject.test") if is_signed else text, sender="", helo="client")
    assert set(relay.names[: len(first)]) == first
    assert site.facts["dmarc"]["result"] == ("pass" if is_signed else "fail")
    assert site.facts["iprev"]["result"] == "pass"


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_client_whose_name_cannot_be_had_leaves_time_for_the_policy(site: Site, is_signed: bool) -> None:
    """Its zone does not answer within the time that all questions have."""

    def answer(name: bytes, rtype: str) -> list[object]:
        if rtype == "PTR":
            raise Silence
        found: list[object] = lookup_in(ZONE)(name, rtype)
        return found

    text = TEXT.format(author="u@nowhere.parent.test").encode()
    site.home.control("dnstimeout", "2")
    with NameServer(answer) as server:
        site.env["DNSCACHEIP"] = f"127.0.0.1:{server.port}"
        assert site.mail(signed(text, "other.test") if is_signed else text).startswith("550 ")


def test_the_rules_of_the_site_excuse_but_do_not_vouch(site: Site) -> None:
    site.home.control("spfrules", "ip4:198.51.100.0/24\n")
    ours = {"TCPREMOTEIP": "198.51.100.1"}
    assert site.mail("u@reject.test", "u@reject.test", **ours).startswith("250 ")
    assert b" spf=policy smtp.mailfrom=reject.test;" in site.field()
    assert b" dmarc=fail header.from=reject.test policy.dmarc=reject;" in site.field()
    assert site.mail("u@reject.test", "u@other.test", **ours).startswith("550 ")
    assert site.mail("u@reject.test", "u@reject.test", TCPREMOTEIP="203.0.113.1").startswith("550 ")


def test_helo_counts_for_a_bounce_only(site: Site) -> None:
    assert site.mail("u@reject.test", sender="", helo="reject.test").startswith("250 ")
    assert b"; dmarc=pass header.from=reject.test" in site.field()
    assert site.mail("u@reject.test", helo="reject.test").startswith("550 ")


def test_clients_that_may_relay_are_not_checked(site: Site) -> None:
    assert site.mail("u@reject.test", RELAYCLIENT="").startswith("250 ")
    assert "dmarc" not in site.facts


def test_several_fields_are_no_author(site: Site) -> None:
    message = "From: u@reject.test\r\n" + TEXT.format(author="u@other.test")
    assert site.mail(message.encode()).startswith("250 ")
    assert site.facts["dmarc"]["reason"] == "several From fields"


@pytest.mark.parametrize("shadow", ["dmarc", "spf,dkim,dmarc"])
def test_in_the_shadow_it_is_recorded_and_only_logged(site: Site, shadow: str) -> None:
    site.env |= {"SPFBEHAVIOR": "6", "DKIMVERIFY": "", "SHADOW": shadow}
    assert site.mail("u@reject.test").startswith("250 ")
    assert b"; dmarc=fail header.from=reject.test policy.dmarc=reject" in site.field()
    site.env["LOGFORMAT"] = "classic"
    session = b"MAIL FROM:<u@other.test>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n%b.\r\nQUIT\r\n"
    run = site.home.smtp(session % TEXT.format(author="u@reject.test").encode(), **site.env)
    assert b"shadow dmarc would refuse: 550 refused by the DMARC policy of reject.test" in run.stderr


def test_a_refusal_says_why_in_the_log(site: Site) -> None:
    site.env["LOGFORMAT"] = "classic"
    session = b"MAIL FROM:<u@other.test>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n%b.\r\nQUIT\r\n"
    run = site.home.smtp(session % TEXT.format(author="u@reject.test").encode(), **site.env)
    assert b"(dmarc=fail, no aligned SPF or DKIM pass, _dmarc.reject.test: v=DMARC1; p=reject)" in run.stderr
