"""The one Authentication-Results field of a message, and the forged ones that are taken away (SPEC section 17)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from ..mailauth.test_results import NOT_OURS, OURS, read_by_authres
from ..mailauth.zones import lookup_in
from ..support.home import Home, codes
from ..support.nameserver import NameServer
from ..support.processes import ROOT, program

ZONE: dict[str, list[object]] = {
    "10.2.0.192.in-addr.arpa": [{"PTR": "client.test"}],
    "client.test": [{"A": "192.0.2.10"}, {"TXT": "v=spf1 a -all"}],
    "sender.test": [{"TXT": "v=spf1 ip4:192.0.2.10 -all"}],
    "11.2.0.192.in-addr.arpa": ["TIMEOUT"],
}
ON = ({"SPFBEHAVIOR": "1"}, {"DKIMVERIFY": ""}, {"DMARCBEHAVIOR": "1"})


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with NameServer(lookup_in(ZONE)) as running:
        yield running


class Site:
    def __init__(self, home: Home, server: NameServer) -> None:
        self.home = home
        self.env = {"DNSCACHEIP": f"127.0.0.1:{server.port}"}

    def received(self, header: bytes = b"", sender: str = "u@sender.test", **env: str) -> bytes:
        """The header of a message as it was queued, behind the fields of ours."""
        text = b"HELO client.test\r\nMAIL FROM:<%b>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n" % sender.encode()
        text += header.replace(b"\n", b"\r\n") + b"Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n"
        run = self.home.smtp(text, **{**self.env, **env})
        assert codes(run.stdout) == [220, 250, 250, 250, 354, 250, 221], run.stderr
        return self.home.queued()[-1].message.partition(b"\n\n")[0] + b"\n"


@pytest.fixture
def site(home: Home, server: NameServer) -> Site:
    return Site(home, server)


def methods(header: bytes, name: bytes = b"Authentication-Results:") -> list[tuple[str, str]]:
    """Method and result of the field at the top."""
    assert header.startswith(name)
    first = header.replace(b"\n\t", b" ").split(b"\n")[0]
    return [(method, result) for method, result, _ in read_by_authres(first.removeprefix(name))]


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"SPFBEHAVIOR": "1"}, [("spf", "pass"), ("iprev", "pass")]),
        ({"DKIMVERIFY": ""}, [("dkim", "none"), ("iprev", "pass")]),
        ({"DMARCBEHAVIOR": "1"}, [("dmarc", "permerror"), ("iprev", "pass")]),
        ({"SPFBEHAVIOR": "1", "DKIMVERIFY": ""}, [("spf", "pass"), ("dkim", "none"), ("iprev", "pass")]),
        ({"SPFBEHAVIOR": "1", "RELAYCLIENT": ""}, [("iprev", "pass")]),
        ({"SPFBEHAVIOR": "1", "TCPREMOTEIP": "192.0.2.11"}, [("spf", "fail"), ("iprev", "temperror")]),
        ({"SPFBEHAVIOR": "1", "TCPREMOTEIP": "192.0.2.12"}, [("spf", "fail"), ("iprev", "permerror")]),
        ({"DKIMVERIFY": "", "TCPREMOTEIP": "unknown"}, [("dkim", "none")]),
    ],
)
def test_results(site: Site, env: dict[str, str], found: list[tuple[str, str]]) -> None:
    assert methods(site.received(**env)) == found


def test_the_whole_field(site: Site) -> None:
    header = site.received(b"From: u@sender.test\n", SPFBEHAVIOR="1", DKIMVERIFY="", DMARCBEHAVIOR="1")
    assert header.startswith(
        b"Authentication-Results: mx.example.org;\n"
        b"\tspf=pass smtp.mailfrom=sender.test;\n"
        b"\tdkim=none;\n"
        b"\tdmarc=none header.from=sender.test;\n"
        b"\tiprev=pass policy.iprev=192.0.2.10\n"
        b"Received: "
    )


def test_a_bounce(site: Site) -> None:
    assert b"spf=pass smtp.helo=client.test;" in site.received(sender="", SPFBEHAVIOR="1")


def test_no_encoded_word_in_our_field(site: Site) -> None:
    """Mail readers decode it, and it can hold the end of a quoted string."""
    word = b"=?us-ascii?q?x=22=3B_dkim=3Dpass?="
    header = site.received(b"From: u@%b.test\n" % word, sender=f"u@{word.decode()}.test", **ON[0], **ON[2])
    field = header.partition(b"Received:")[0]
    assert field.count(b'="=\\?us-ascii?q?x=22=3') == 2 and b"=?" not in field


def test_spamassassin_believes_only_our_field(site: Site) -> None:
    """With its default authres_networks. With `all` it would believe the other two."""
    forged = b"ARC-Authentication-Results: i=1; mx.example.org; dkim=pass header.d=bank.test\n"
    forged += (
        b"X-Text: =?us-ascii?q?x=0AAuthentication-Results:_mx.example.org;_dmarc=3Dpass_header.from=3Dbank.test?=\n"
    )
    header = site.received(forged, **ON[0])
    assert header.endswith(forged + b"Subject: x\n")
    script = [program("perl"), str(ROOT / "tests/support/authres.pl"), "internal"]
    read = subprocess.run(script, input=header + b"\nhi\n", capture_output=True, check=True)
    assert read.stdout == b"iprev pass policy.iprev 192.0.2.10\nspf pass smtp.mailfrom sender.test\n"


def test_nobody_who_did_not_ask_gets_one(site: Site) -> None:
    header = site.received(b"Authentication-Results: mx.example.org; spf=pass\n", SPFBEHAVIOR="0", DMARCBEHAVIOR="0")
    assert header.startswith(b"Received: ") and b"mx.example.org; spf=pass" in header


def test_another_name(site: Site) -> None:
    site.home.control("authservid", "Mail.Example\n")
    forged = b"authentication-results: mail.example; spf=pass\nAuthentication-Results: mx.example.org; dkim=pass\n"
    header = site.received(forged, SPFBEHAVIOR="1")
    assert header.startswith(b"Authentication-Results: Mail.Example;\n\tspf=pass")
    assert b"authentication-results:" not in header and b"mx.example.org; dkim=pass" in header


@pytest.mark.parametrize("env", ON)
def test_forged_fields_are_removed_and_others_stay(site: Site, env: dict[str, str]) -> None:
    names = [
        b"Authentication-Results",
        b"authentication-results",
        b"AUTHENTICATION-RESULTS ",
        b"Authentication-results\t",
    ]
    # A bare CR is text, as it is stored; a NUL too.
    others = [b"%b:%b\n" % (names[0], value) for value in NOT_OURS]
    forged = [b"%b:%b\n" % (names[number % 4], value) for number, value in enumerate(OURS)]
    both = [line for pair in zip(forged, others, strict=False) for line in pair] + forged[len(others) :]
    header = site.received(b"".join(both), **env)
    assert header.endswith(b"".join(others) + b"Subject: x\n")


def test_of_many_only_the_forged_go(site: Site) -> None:
    other, forged = b"Authentication-Results: a.test; spf=fail\n", b"Authentication-Results: mx.example.org; spf=pass\n"
    header = site.received((forged + other + forged) * 1000 + forged * 1000, SPFBEHAVIOR="1")
    assert header.endswith(b"\n" + other * 1000 + b"Subject: x\n")
