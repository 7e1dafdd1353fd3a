"""Authentication-Results as a filter behind us believes it: OpenDMARC judges by our results alone, and not by forged
ones. It asks the DNS for the policy itself; SPF and DKIM it leaves to us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.home import Home
from ..support.island import Island
from .real import last_reply, received, session, site

pytestmark = pytest.mark.root  # it runs on an island

Site = tuple[Island, Home]

# Our client is 192.0.2.10.
ZONES = {
    "pass.example": '@ A 192.0.2.10\n@ TXT "v=spf1 ip4:192.0.2.10 -all"\n_dmarc TXT "v=DMARC1; p=reject"\n',
    "fail.example": '@ TXT "v=spf1 -all"\n_dmarc TXT "v=DMARC1; p=reject"\n',
    "2.0.192.in-addr.arpa": "10 PTR pass.example.\n",
}
SETTINGS = """AuthservID filter.example.org
TrustedAuthservIDs mx.example.org
RejectFailures true
SPFSelfValidate false
Syslog false
Socket inet:8893@127.0.0.1
"""
FORGED = "Authentication-Results: MX.example.ORG; spf=pass smtp.mailfrom=joe@fail.example\r\n"
ITSELF = SETTINGS.replace("SPFSelfValidate false", "SPFSelfValidate true\nSPFIgnoreResults true").replace(
    "8893", "8894"
)
FORGED_SPF = (
    "Received-SPF: Pass identity=mailfrom; client-ip=192.0.2.10; helo=x; envelope-from=joe@fail.example; receiver=x\r\n"
)
OTHER = "Authentication-Results: mx.other.test; spf=pass smtp.mailfrom=joe@fail.example\r\n"


@pytest.fixture(scope="module")
def place(public_folder: Path) -> Iterator[Site]:
    with site(public_folder / "authres", [], ZONES, {"behind.conf": SETTINGS, "itself.conf": ITSELF}) as (made, home):
        for name, port in (("behind", 8893), ("itself", 8894)):
            made.start(["opendmarc", "-f", "-c", f"/etc/{name}.conf"], ready=made.port(port))
        home.control("smtpmilters", "dmarc inet:127.0.0.1:8893\n")
        yield made, home


@pytest.mark.parametrize("header", ["", FORGED, OTHER])
@pytest.mark.parametrize(("domain", "code"), [("pass.example", b"250"), ("fail.example", b"550")])
def test_opendmarc_judges_by_our_field(place: Site, domain: str, code: bytes, header: str) -> None:
    made, home = place
    done = made.smtp(home, session("hello", header, f"joe@{domain}"), SPFBEHAVIOR="1", DKIMVERIFY="")
    assert last_reply(done.stdout)[:3] == code, done.stderr.decode()
    if code == b"250":
        message = received(home).message
        assert f"dmarc=pass (p=reject dis=none) header.from={domain}".encode() in message
        assert b"mx.example.org;\n\tspf=pass" in message and b"MX.example.ORG" not in message


@pytest.mark.parametrize(("domain", "code"), [("pass.example", b"250"), ("fail.example", b"550")])
def test_opendmarc_believes_no_received_spf_if_it_checks_spf_itself(place: Site, domain: str, code: bytes) -> None:
    """As the manual says; with the settings above it would believe it."""
    made, home = place
    home.control("smtpmilters", "dmarc inet:127.0.0.1:8894\n")
    done = made.smtp(home, session("hello", FORGED_SPF, f"joe@{domain}"), SPFBEHAVIOR="1", DKIMVERIFY="")
    assert last_reply(done.stdout)[:3] == code, done.stderr.decode()
