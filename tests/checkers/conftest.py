"""The name servers that the tests of the DNS checks share; they only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import dns

CLIENT, LISTED_NET6 = "192.0.2.10", "2001:db8::/32"

LISTS = {
    "listed.test": [("ip4set", f"{CLIENT} :127.0.0.2:"), ("ip6trie", f"{LISTED_NET6} :127.0.0.6:")],
    "several.test": [("ip4set", f"{CLIENT} :127.0.0.{last}:") for last in (2, 4, 7)],
    "unlisted.test": [("ip4set", "198.51.100.1 :127.0.0.2:")],
    "foreign.test": [("ip4set", f"{CLIENT} :203.0.113.5:")],
    "forbidden.test": [("ip4set", f"{CLIENT} :127.255.255.254:")],
    "nobody.test": [("ip4set", f"{CLIENT} :{address}:") for address in ("127.0.0.1", "0.0.0.0")],
    "half.test": [("ip4set", f"{CLIENT} :{address}:") for address in ("127.255.255.254", "203.0.113.5", "127.0.0.9")],
}

MANY = [f"{number}.host-with-a-name-long-enough-to-fill-packets-{number}" for number in range(60)]
MAIL = f"""
mx          MX 10 mail
mx6         MX 10 mail6
address     A 192.0.2.1
address6    AAAA 2001:db8::1
mail        A 192.0.2.2
mail6       AAAA 2001:db8::2
empty       TXT "no address, no MX"
null        MX 0 .
null        A 192.0.2.3
nullplus    MX 0 .
nullplus    MX 10 mail
missing     MX 10 nowhere
missing     A 192.0.2.3
second      MX 10 nowhere
second      MX 20 mail
toempty     MX 10 empty
soft        MX 10 host.broken.test.
softgood    MX 10 host.broken.test.
softgood    MX 20 mail
refused     MX 10 host.elsewhere.test.
cname       CNAME mx
cnamehost   CNAME address
cnamemx     MX 10 cnamehost
dangling    CNAME nowhere
literal     MX 10 192.0.2.9.
silentmx    MX 10 host.silent
silentmx    MX 20 host2.silent
silentgood  MX 10 host.silent
silentgood  MX 20 mail
odd_name    A 192.0.2.4
oddmx       MX 10 an\\.escape
{"".join(f"twenty MX 10 h{number}{chr(10)}" for number in range(20))}
{"".join(f"many MX {10 + number} {host}{chr(10)}" for number, host in enumerate(MANY))}
{MANY[0]}   A 192.0.2.5
"""
REVERSE = (
    "10 PTR client.example.net.\n11 CNAME 11.0-63\n11.0-63 PTR delegated.example.net.\n12 PTR odd\\046name.example.\n"
)
CNAMES = "10.2.0.192.list CNAME found\nfound A 127.0.0.5\n" + "".join(
    f"10.2.0.192.long A 127.0.{number}.2\n" for number in range(120)
)


@pytest.fixture(scope="session")
def list_server(public_folder: Path) -> Iterator[int]:
    """The port of rbldnsd with LISTS; other zones are refused."""
    folder = public_folder / "lists"
    folder.mkdir()
    with dns.lists(
        folder, {zone: [(kind, line + "\n") for kind, line in sets] for zone, sets in LISTS.items()}
    ) as port:
        yield port


@pytest.fixture(scope="session")
def zone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nsd with mail.test, a list with CNAMEs and long answers, PTR records; broken.test is SERVFAIL."""
    contents = {"mail.test": MAIL, "cnames.test": CNAMES, "broken.test": None, "2.0.192.in-addr.arpa": REVERSE}
    contents["0.0.127.in-addr.arpa"] = "1 PTR loopback.example.net.\n"
    with dns.zones(tmp_path_factory.mktemp("zones"), contents) as port:
        yield port
