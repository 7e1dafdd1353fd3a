"""mailauth/spf.py beyond the public suite: where a result comes from, limits, a site's own rules, hostile DNS."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
import spf as pyspf
from hypothesis import given, settings
from hypothesis import strategies as st

from qmail_smtpd.mailauth.dns import NoSuchName, Temporary, TooLate
from qmail_smtpd.mailauth.spf import Site, check
from qmail_smtpd.mailauth.spf_macros import LONGEST_EXPLANATION, SpfSyntaxError

from .test_spf_pyspf import lookup_of_pyspf
from .zones import lookup_in

RESULTS = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}


def spf(zone, ip="192.0.2.1", sender=b"user@a.example", helo=b"helo.example", site=None):
    """The result for a zone of `name: record` or `name: [records]`."""
    whole = {name: [{"TXT": text}] if isinstance(text, str) else text for name, text in zone.items()}
    return check(lookup_in(whole), ip_address(ip).packed, sender, helo, site)


def test_a_result_says_where_it_comes_from():
    found = spf({"a.example": "v=spf1 redirect=b.example", "b.example": "v=spf1 ip4:192.0.2.0/24 -all"})
    assert (found.result, found.domain, found.mechanism) == ("pass", b"b.example", b"ip4:192.0.2.0/24")
    assert found.record == b"v=spf1 ip4:192.0.2.0/24 -all"


def test_an_error_says_where_it_is():
    found = spf({"a.example": "v=spf1 include:b.example -all", "b.example": "v=spf1 ip4:192.0.2.256 -all"})
    assert (found.result, found.domain, found.reason) == ("permerror", b"b.example", b"no address")
    found = spf({"a.example": "v=spf1 a:b.example -all", "b.example": ["TIMEOUT"]})
    assert (found.result, found.domain, found.mechanism) == ("temperror", b"a.example", b"a:b.example")


def test_a_client_with_an_ipv4_address_inside_an_ipv6_one():
    assert spf({"a.example": "v=spf1 ip4:192.0.2.1 -all"}, "::ffff:192.0.2.1").result == "pass"


FOUR_V4_HOSTS = {
    "a.example": [{"TXT": "v=spf1 mx a:m1.example a:m2.example a:m3.example ip6:2001:db8::/32 -all"}]
    + [{"MX": [n, f"m{n}.example"]} for n in range(4)],
    **{f"m{n}.example": [{"A": f"192.0.2.{n}"}] for n in range(4)},
}


def test_hosts_without_ipv6_do_no_harm_to_a_client_with_it(monkeypatch):
    """pyspf counts them as void look-ups (its issues 40, 41 and 44), and so refuses what the sender allows."""
    assert spf(FOUR_V4_HOSTS, "2001:db8::1").result == "pass"

    class World:
        zone = FOUR_V4_HOSTS

    monkeypatch.setattr(pyspf, "DNSLookup", lookup_of_pyspf(World))
    theirs = pyspf.check2("2001:db8::1", "user@a.example", "helo.example")
    assert theirs == ("permerror", "SPF Permanent Error: Void lookup limit of 2 exceeded")


def test_names_that_do_not_exist_are_counted_for_ipv6_too():
    zone = {"a.example": "v=spf1 a:x1.example a:x2.example a:x3.example -all"}
    assert spf(zone, "2001:db8::1").result == "permerror"


def test_names_of_the_client_turn_no_fail_into_an_error():
    zone = {"a.example": "v=spf1 a:x1.example a:x2.example ptr exists:%{p}.x.example -all", "unknown.x.example": []}
    assert spf(zone).result == "permerror"  # the third void term is the sender's own
    zone = {"a.example": "v=spf1 a:x1.example a:x2.example ptr -all"}
    assert spf(zone).result == "fail"


def test_local_rules_come_before_the_last_word():
    site = Site(rules=b"ip4:192.0.2.0/24 -ip4:198.51.100.0/24", explanation=b"%{i} is not welcome here")
    zone = {"a.example": "v=spf1 ?ip4:192.0.2.7 ~all exp=x.example", "x.example": "their own"}
    found = spf(zone, "192.0.2.1", site=site)
    assert (found.result, found.mechanism, found.record) == ("pass", b"ip4:192.0.2.0/24", b"")
    assert spf(zone, "192.0.2.7", site=site).result == "neutral"
    assert spf(zone, "203.0.113.1", site=site).result == "softfail"
    found = spf(zone, "198.51.100.1", site=site)
    assert (found.result, found.explanation) == ("fail", b"198.51.100.1 is not welcome here")


def test_local_rules_follow_redirect_but_no_include():
    site = Site(rules=b"ip4:192.0.2.1")
    zone = {
        "a.example": "v=spf1 include:b.example ?all",
        "b.example": "v=spf1 -all",
        "c.example": "v=spf1 redirect=b.example",
        "d.example": "v=spf1 ip4:192.0.2.9",
    }
    assert spf(zone, "192.0.2.2", site=site).result == "neutral"
    assert spf(zone, sender=b"user@c.example", site=site).result == "pass"
    assert spf(zone, sender=b"user@d.example", site=site).result == "neutral"  # there is no `all`
    assert spf(zone, sender=b"user@none.example", site=site).result == "none"


def test_local_rules_that_cannot_be_evaluated_do_not_match():
    site = Site(rules=b"include:none.example " + b"a " * 11)
    zone = {"a.example": "v=spf1 " + "a:b.example " * 10 + "-all", "b.example": [{"A": "192.0.2.9"}]}
    assert spf(zone, site=site).result == "fail"
    zone["none.example"] = ["TIMEOUT"]
    assert spf(zone, site=site).result == "temperror"


@pytest.mark.parametrize("rules", [b"exp=a.example", b"ip4:1.2.3", b"foo", b"v=spf1 a"])
def test_rules_of_a_site_that_cannot_be_read(rules):
    with pytest.raises(SpfSyntaxError):
        Site(rules=rules)


def test_explanation_of_the_site_when_the_domain_has_none():
    site = Site(explanation=b"%{i} may not send for %{o}: %{r} at %{t}", receiver=b"mx.example")
    found = check(
        lookup_in({"a.example": [{"TXT": "v=spf1 -all"}]}), b"\xc0\0\2\1", b"u@a.example", b"h", site, now=lambda: 9.9
    )
    assert found.explanation == b"192.0.2.1 may not send for a.example: mx.example at 9"


def test_any_bytes_in_names_reach_the_dns_as_they_are():
    asked = []

    def lookup(name, rtype):
        asked.append(name)
        return [b"v=spf1 exists:%{l}.%{h}.x.example -all"] if rtype == "TXT" else []

    check(lookup, b"\xc0\0\2\1", b'a\0\\\xff "@\xe9.example', b"\x01\x80")
    assert asked == [b"\xe9.example", b'a\0\\\xff ".\x01\x80.x.example']


class Count:
    """A hostile DNS: every name has the same TXT records and nothing else in particular."""

    def __init__(self, texts, **others):
        self.texts, self.others, self.asked = texts, others, 0

    def __call__(self, name, rtype):
        self.asked += 1
        return self.texts if rtype == "TXT" else self.others.get(rtype, [])


MOST_QUESTIONS = 1 + 10 * 11  # a record, ten terms with a question and ten hosts each


@pytest.mark.parametrize(
    ("dns", "result"),
    [
        (Count([b"v=spf1 include:%{d} -all"]), "permerror"),
        (Count([b"v=spf1 redirect=x.%{d}"]), "permerror"),
        (Count([b"text"] * 10_000), "none"),
        (Count([b"v=spf1 -all"] * 10_000), "permerror"),
        (Count([b"v=spf1 " + b"x" * 65_000]), "permerror"),
        (Count([b"v=spf1 " + b"exists:%{l}%{h}.x.example " * 2_500], A=[]), "permerror"),
        (Count([b"v=spf1 " + b"ip4:1.2.3.4 " * 5_000]), "neutral"),
        (Count([b"v=spf1 exists:" + b"%{L}" * 16_000 + b" -all"], A=[]), "fail"),
        (Count([b"v=spf1 mx" + b" mx" * 9 + b" -all"], MX=[(1, b"h%d.example" % n) for n in range(10)]), "permerror"),
        (Count([b"v=spf1 mx -all"], MX=[(n, b"h.example") for n in range(10_000)]), "permerror"),
        (Count([b"v=spf1 a -all"], A=[bytes(4)] * 10_000), "fail"),
        (Count([b"v=spf1 ptr -all"], PTR=[b"p.example"] * 10_000, A=[bytes(4)]), "fail"),
    ],
)
def test_hostile_dns_costs_a_bounded_number_of_questions(dns, result):
    assert check(dns, b"\xc0\0\2\1", b"\xff" * 800 + b"@a.example", b"h" * 400).result == result
    assert dns.asked <= MOST_QUESTIONS


def test_an_explanation_is_bounded():
    def lookup(name, rtype):
        return [b"%{S}" * 16_000] if name == b"x.example" else [b"v=spf1 -all exp=x.example"]

    found = check(lookup, b"\xc0\0\2\1", b"\xff" * 800 + b"@a.example", b"h")
    assert found.result == "fail"
    assert len(found.explanation) == LONGEST_EXPLANATION


@pytest.mark.parametrize("record", [b"v=spf1 ptr -all", b"v=spf1 a -all", b"v=spf1 exists:%{p}.b.example -all"])
def test_after_the_deadline_all_is_a_temperror(record):
    def slow(name, rtype):
        if rtype != "TXT":
            raise TooLate("no answer")
        return [record]

    found = check(slow, b"\xc0\0\2\1", b"u@a.example", b"h")
    assert found.result == "temperror"


PARTS = st.one_of(
    st.sampled_from(
        (b"v=spf1 ", b"a", b"mx", b"ptr", b"include:", b"exists:", b"ip4:", b"ip6:", b"all", b"redirect=", b"exp=")
        + (
            b"%{",
            b"}",
            b"%",
            b"r",
            b"1.2.3.4",
            b"::1",
            b"/",
            b"//",
            b"24",
            b" ",
            b" -",
            b":",
            b".",
            b"x.example",
            b"%{p}",
        )
    ),
    st.binary(max_size=6),
)
TEXTS = st.lists(PARTS, max_size=30).map(lambda parts: b"v=spf1 " + b"".join(parts))
ANSWERS = st.one_of(
    st.just(NoSuchName),
    st.just(Temporary),
    st.fixed_dictionaries(
        {
            "A": st.lists(st.binary(min_size=4, max_size=4), max_size=3),
            "AAAA": st.lists(st.binary(min_size=16, max_size=16), max_size=3),
            "MX": st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=70)), max_size=12),
            "TXT": st.lists(TEXTS, max_size=2),
            "PTR": st.lists(st.binary(max_size=70), max_size=12),
        }
    ),
)


@settings(max_examples=500, deadline=None)
@given(
    answers=st.lists(ANSWERS, min_size=1, max_size=8),
    ip=st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
    sender=st.one_of(st.binary(max_size=900), st.binary(max_size=20).map(lambda local: local + b"@x.example")),
    helo=st.binary(max_size=900),
)
def test_whatever_comes_is_a_result(answers, ip, sender, helo):
    turn = 0

    def lookup(name, rtype):
        nonlocal turn
        turn += 1
        answer = answers[turn % len(answers)]
        if isinstance(answer, dict):
            return answer[rtype]
        raise answer("trouble")

    found = check(lookup, ip, sender, helo)
    assert found.result in RESULTS
    assert turn <= MOST_QUESTIONS + 12  # an explanation, and the names of the client for it
