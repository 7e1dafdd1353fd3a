"""SPF: the same answers as pyspf on ten thousand small worlds, or a difference that rules explain.

The rules are code: each makes pyspf follow RFC 7208 at one point (`Corrected`). With all of them it has to say what we
say, in every world; and each has to be needed for that in at least one.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from ipaddress import ip_address
from unittest import mock

import pytest
import spf as pyspf

from qmail_smtpd.mailauth.dns import NoSuchName, Temporary
from qmail_smtpd.mailauth.spf import Site, check

from .spf_worlds import World
from .zones import lookup_in

WORLDS = 10_000

MACROS = re.compile(r"(?:[!-$&-~ ]|%[%_-]|%\{[slodiphvcrt](?!0+\D)\d*r?[.\-+,/_=]*\})*", re.IGNORECASE)
MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)
PERCENT = "\x01"
JOINERS = dict.fromkeys("slodiphcrtv", ".")

RULES = {
    "void terms": "Section 4.6.4: terms are counted, not questions, and for the sender's names only; AAAA is not void.",
    "first host": "Section 5.4: a host that matches is a match, no matter how the DNS does for the later ones.",
    "quiet names": "Section 5.5: trouble with the names of the client is no match and no error.",
    "itself": "Section 5.2: an include of one's own domain is no error in a term that is not evaluated.",
    "unknown twice": "Section 6: unknown modifiers may come more than once.",
    "any case": "RFC 5234 section 2.3: Exp= is exp=.",
    "macros": "Section 7.1: 0 is no number of parts, what opens with a brace closes with one, and bytes are visible.",
    "two percent signs": "Section 7.1: %% is a percent sign, also at the end.",
    "split": "Section 7.3: what is split at a delimiter is joined with dots.",
    "long texts": "Section 7.3: only names are shortened, not explanations.",
    "postmaster": "Section 4.3: a sender without a local part has postmaster for one.",
}


class Name(str):
    """A domain that is told apart from all others."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return False


class Corrected(pyspf.query):
    """pyspf, put right where RFC 7208 says otherwise; `rules` are those of RULES that hold."""

    rules = frozenset(RULES)
    zone: dict[str, list[object]] = {}
    term_is_void = False

    def check(self, spf=None):
        if "postmaster" in self.rules:
            self.s = f"{self.l}@{self.o}"
        joiners = JOINERS if "split" in self.rules else pyspf.JOINERS
        with mock.patch.object(pyspf, "JOINERS", joiners):
            return super().check(spf)

    def check_lookups(self):
        self.term_is_void = False
        super().check_lookups()

    def dns(self, name, qtype, cnames=None, ignore_void=False):
        if "void terms" not in self.rules:
            return super().dns(name, qtype, cnames, ignore_void)
        found = super().dns(name, qtype, cnames, True)
        if not found and not ignore_void and not self.term_is_void and self.is_void(name.lower().rstrip("."), qtype):
            self.term_is_void = True
            self.void_lookups += 1
            if self.void_lookups > pyspf.MAX_VOID_LOOKUPS:
                raise pyspf.PermError("void")
        return found

    def is_void(self, name, qtype):
        if len(name) > 253 or not all(0 < len(label) < 64 for label in name.split(".")):
            return False
        return qtype in ("A", "MX") or (qtype == "AAAA" and name not in self.zone)

    def cidrmatch(self, ipaddrs, n):
        return any(super(Corrected, self).cidrmatch([ip], n) for ip in ipaddrs)

    def dns_mx(self, domainname):
        if "first host" not in self.rules:
            return super().dns_mx(domainname)
        hosts = sorted(self.dns(domainname, "MX"))
        if len(hosts) > pyspf.MAX_MX:
            raise pyspf.PermError("hosts")
        return (ip for _, host in hosts for ip in self.dns_a(host, self.A))

    def validated_ptrs(self):
        names = self.quietly(self.dns_ptr, self.i)[: pyspf.MAX_PTR]
        return [name for name in names if self.cidrmatch(self.quietly(self.dns_uncounted, name), self.cidrmax)]

    def dns_uncounted(self, name):
        return self.dns(name, self.A, None, "void terms" in self.rules)

    def quietly(self, ask, argument):
        try:
            return ask(argument)
        except pyspf.TempError:
            if "quiet names" in self.rules:
                return []
            raise

    def check0(self, spf, recursion):
        return super().check0(" ".join(self.terms(spf.split(" "))) if spf else spf, recursion)

    def terms(self, terms):
        for number, term in enumerate(terms):
            modifier = MODIFIER.fullmatch(term)
            if modifier and "any case" in self.rules and modifier[1].lower() in ("exp", "redirect"):
                term = f"{modifier[1].lower()}={modifier[2]}"
            elif number and modifier and "unknown twice" in self.rules and modifier[1] not in ("exp", "redirect"):
                term = f"{modifier[1]}{number}={modifier[2]}"
            yield term

    def validate_mechanism(self, mech):
        if mech.lstrip("+-~?").lower() == "include":
            raise pyspf.PermError("no domain")
        return super().validate_mechanism(mech)

    def expand_domain(self, arg):
        name = super().expand_domain(arg)
        return Name(name) if "itself" in self.rules else name

    def expand(self, s, stripdot=True):
        if "macros" in self.rules and (not MACROS.fullmatch(s) or (stripdot and " " in s)):
            raise pyspf.PermError("macros")
        if "two percent signs" in self.rules:
            s = s.replace("%%", PERCENT)
        words = [s] if stripdot or "long texts" not in self.rules else s.split(" ")
        return " ".join(super(Corrected, self).expand(word, stripdot) for word in words).replace(PERCENT, "%")


def lookup_of_pyspf(world):
    lookup = lookup_in(world.zone)

    def ask(name, qtype, strict, timeout):
        try:
            return [((name, qtype), plain(value, qtype)) for value in lookup(name.encode("latin1"), qtype)]
        except NoSuchName:
            return []
        except Temporary:
            raise pyspf.TempError("no answer") from None

    return ask


def plain(value, qtype):
    """An answer of ours as pyspf wants it."""
    if qtype in ("A", "AAAA"):
        return str(ip_address(value))
    if qtype == "TXT":
        return (value,)
    return (value[0], value[1].decode("latin1")) if qtype == "MX" else value.decode("latin1")


def ours(world):
    site = Site(explanation=b"DEFAULT")
    ip, sender, helo = ip_address(world.ip).packed, world.sender.encode(), world.helo.encode()
    found = check(lookup_in(world.zone), ip, sender, helo, site)
    return found.result, found.explanation.decode("latin1")


def theirs(world, kind, rules=frozenset(RULES)):
    query = kind(world.ip, world.sender, world.helo)
    query.zone, query.rules = world.zone, rules
    query.set_default_explanation("DEFAULT")
    result, _, text = query.check()
    return result, text if result == "fail" else ""


@pytest.fixture
def worlds(monkeypatch):
    def all_worlds():
        dice = random.Random(7208)
        for _ in range(WORLDS):
            world = World(dice)
            monkeypatch.setattr(pyspf, "DNSLookup", lookup_of_pyspf(world))
            yield world

    return all_worlds()


def test_ten_thousand_worlds(worlds):
    results, needed = Counter(), Counter()
    for world in worlds:
        mine = ours(world)
        results[mine[0]] += 1
        if mine == theirs(world, pyspf.query):
            continue
        assert theirs(world, Corrected) == mine, (world.ip, world.sender, world.helo, world.zone)
        needed.update(rule for rule in RULES if theirs(world, Corrected, frozenset(RULES) - {rule}) != mine)
    assert set(needed) == set(RULES)
    assert set(results) == {"pass", "fail", "softfail", "neutral", "none", "permerror", "temperror"}
    assert min(results.values()) > WORLDS / 100
