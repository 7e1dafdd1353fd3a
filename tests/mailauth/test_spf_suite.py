"""SPF: all tests of the suite for RFC 7208 (suites/spf-rfc7208.json, by its LICENSE) through the evaluator."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from qmail_smtpd.mailauth.spf import Site, check

from .zones import lookup_in

SUITE = json.loads((Path(__file__).parent / "suites" / "spf-rfc7208.json").read_text())
CASES = [(name, case, group["zonedata"]) for group in SUITE for name, case in group["tests"].items()]


def wanted(case):
    """The results that are right; the one that is preferred comes first."""
    return case["result"] if isinstance(case["result"], list) else [case["result"]]


def sender_of(case):
    return (case["mailfrom"] or "postmaster@" + case["helo"]).encode()


def test_the_suite_is_whole():
    assert len(CASES) == 203


@pytest.mark.parametrize(("name", "case", "zone"), CASES, ids=[name for name, _, _ in CASES])
def test_suite(name, case, zone):
    site = Site(explanation=b"DEFAULT")
    found = check(lookup_in(zone), ip_address(case["host"]).packed, sender_of(case), case["helo"].encode(), site)
    assert found.result in wanted(case), (found.reason, found.record)
    if "explanation" in case:
        assert found.explanation.decode() == case["explanation"]
