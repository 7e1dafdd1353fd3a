"""iprev: an address, its names and what those lead to (RFC 8601 section 2.7.3)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from qmail_smtpd.mailauth.dns import NoSuchName, Temporary
from qmail_smtpd.mailauth.iprev import MOST_NAMES, check
from qmail_smtpd.smtp.ip import pointer

V4, V6 = ip_address("192.0.2.1").packed, ip_address("2001:db8::1").packed
OTHER = ip_address("192.0.2.2").packed
REVERSE = pointer(V4)


class Zone(dict[tuple[bytes, str], object]):
    """Answers by name and type; an exception stands for one."""

    asked = 0

    def __call__(self, name: bytes, rtype: str) -> list[bytes]:
        self.asked += 1
        found = self.get((name, rtype), NoSuchName)
        if isinstance(found, type):
            raise found("broken")
        return found  # type: ignore[return-value]


RESULTS: tuple[tuple[dict[tuple[bytes, str], object], str], ...] = (
    ({(REVERSE, "PTR"): [b"a.test"], (b"a.test", "A"): [V4]}, "pass"),
    ({(REVERSE, "PTR"): [b"x.test", b"a.test"], (b"x.test", "A"): Temporary, (b"a.test", "A"): [OTHER, V4]}, "pass"),
    ({(REVERSE, "PTR"): [b"a.test"], (b"a.test", "A"): [OTHER]}, "fail"),
    ({(REVERSE, "PTR"): [b"a.test"], (b"a.test", "A"): []}, "fail"),
    ({(REVERSE, "PTR"): [b"a.test"]}, "fail"),
    ({(REVERSE, "PTR"): [b"a.test", b"b.test"], (b"a.test", "A"): Temporary}, "temperror"),
    ({(REVERSE, "PTR"): Temporary}, "temperror"),
    ({(REVERSE, "PTR"): []}, "permerror"),
    ({}, "permerror"),
)


@pytest.mark.parametrize(("zone", "result"), RESULTS)
def test_result(zone: dict[tuple[bytes, str], object], result: str) -> None:
    found = check(V4, b"192.0.2.1", Zone(zone))
    assert (found.method, found.value) == ("iprev", result)
    assert list(found.properties) == [("policy.iprev", b"192.0.2.1")]


def test_ipv6_asks_for_aaaa() -> None:
    zone = Zone({(pointer(V6), "PTR"): [b"a.test"], (b"a.test", "AAAA"): [V6]})
    found = check(V6, b"2001:db8::1", zone)
    assert (found.value, found.record) == ("pass", b"a.test")


def test_only_the_first_names_are_asked_for() -> None:
    names = [b"%d.test" % number for number in range(1000)]
    zone = Zone({(REVERSE, "PTR"): names, (names[MOST_NAMES], "A"): [V4]})
    assert check(V4, b"192.0.2.1", zone).value == "fail"
    assert zone.asked == 1 + MOST_NAMES
