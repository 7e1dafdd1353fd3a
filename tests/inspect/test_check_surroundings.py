"""bin/qmail-smtpd-check: what lies around the texts: databases and certificates."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from time import gmtime, strftime, time

import pytest

from qmail_smtpd.control import catalogue
from qmail_smtpd.session.spelling import distance, nearest

from ..support.certificates import Pki, install
from ..support.checked import check
from ..support.home import Home
from ..support.processes import BIN, program

YEAR = 365 * 86400


def make_database(home: Home, name: str, *keys: bytes) -> Path:
    text = b"".join(b"+%d,0:%b->\n" % (len(key), key) for key in keys) + b"\n"
    path = home.path / "control" / name
    argv = [program("cdbmake"), str(path), f"{path}.tmp"]
    subprocess.run(argv, input=text, check=True)
    return path


def test_databases(home: Home) -> None:
    home.control("locals", "local.example.org\n")
    path = make_database(home, "locals.cdb", b"local.example.org", b"Other.example.org", b" x.example.org")
    checked = check(home)
    assert checked.has("error", "control/locals.cdb", "Other.example.org never matches: keys are looked up in lower")
    assert checked.has("error", "control/locals.cdb", '" x.example.org" never matches')
    os.utime(path, (1, 1))
    assert check(home).has("warning", "control/locals.cdb", "older than control/locals", "bin/qmail-cdb")
    whole = path.read_bytes()
    for broken in (whole[:-3], whole[:2000], whole[:2048], bytes(4096), whole[:2060] + b"\xff\xff" + whole[2062:]):
        path.write_bytes(broken)
        assert check(home).has("error", "control/locals.cdb", "corrupt"), broken[2040:2070]


def test_databases_made_by_others_are_in_order(home: Home) -> None:
    (home.path / "control/locals").write_text("local.example.org\nexample.org\n")
    env = {"PATH": "/usr/bin:/bin"}
    path = home.path / "control/locals.cdb"
    text = (home.path / "control/locals").read_bytes()
    subprocess.run([BIN / "qmail-cdb", path, f"{path}.tmp"], input=text, env=env, check=True)
    assert check(home).findings == []
    make_database(home, "rcpthosts.cdb")
    assert check(home).findings == []
    subprocess.run([program("cdb"), "-c", path], input=b"+3,0:a.b->\n\n", check=True)
    assert check(home).findings == []
    make_database(home, "morercpthosts.cdb", b"x.example")
    assert check(home).has("warning", "control/morercpthosts.cdb", "rcpthosts.cdb replaces it")


# Certificates


def pem(pki: Pki, seconds: float = YEAR) -> bytes:
    """A certificate that ends so many seconds from now, with its key."""
    begin, end = time() - 2 * YEAR, time() + seconds
    times = {"start": strftime("%y%m%d%H%M%SZ", gmtime(begin)), "end": strftime("%y%m%d%H%M%SZ", gmtime(end))}
    return pki.authority("root").issue("mx.example.org", **times).both


def test_certificate_in_order_expiring_and_expired(home: Home, pki: Pki) -> None:
    home.control("smtpcert", "control/cert.pem\n")
    assert check(home).has("error", "control/cert.pem", "No such file")
    home.control("cert.pem", pem(pki)).chmod(0o600)
    assert check(home, SMTPS="1").findings == []
    home.control("cert.pem", pem(pki, 20 * 86400))
    assert check(home).has("warning", "control/cert.pem", "the certificate expires at ")
    home.control("cert.pem", pem(pki, -86400))
    assert check(home).has("error", "control/cert.pem", "expired on")
    home.control("cert.pem", "nothing\n")
    assert check(home).has("error", "control/cert.pem", "STARTTLS gets 454")


def test_key_missing_or_of_another_certificate(home: Home, pki: Pki) -> None:
    install(home, pki.server())
    certificate, key = pki.server().pem, pem(pki).partition(b"-----BEGIN PRIVATE")[2]
    home.control("cert.pem", certificate)
    assert check(home).has("error", "control/cert.pem", "no private key in it, nor in ")
    home.control("cert.pem", certificate + b"-----BEGIN PRIVATE" + key)
    assert check(home).has("error", "control/cert.pem", "key values mismatch")


def test_other_places_for_certificates(home: Home, pki: Pki) -> None:
    install(home, pki.server())
    home.control("cert.pem", pem(pki))
    home.control("servercerts/mx.example.org.pem", pem(pki, -86400)).chmod(0o600)
    home.control("servercerts/MX.example.net.pem", pem(pki)).chmod(0o600)
    home.control("servercerts/mx.example.net", pem(pki))
    home.control("clientca.pem", pki.authority("root").own.pem)
    home.control("tlsclients", "me@example.org\n")
    rules = home.path / "rules"
    rules.write_text(':allow,SSLCERT="control/none.pem"\n')
    checked = check(home, "--rules", str(rules))
    assert checked.has("error", "control/servercerts/mx.example.org.pem", "expired on")
    assert checked.has("error", "control/servercerts/MX.example.net.pem", "never found")
    assert checked.has("warning", "control/servercerts/mx.example.net", "NAME.pem")
    assert checked.has("error", "control/none.pem", "No such file")
    assert len(checked.findings) == 4
    home.control("clientca.pem", "nothing\n")
    assert check(home).has("error", "control/clientca.pem")
    home.control("tlsciphers", "NOSUCHCIPHER\n")
    assert check(home).has("error", "control/tlsciphers", "o cipher")


# Spelling


def test_every_known_name_is_its_own_nearest() -> None:
    for names in (catalogue.VARIABLES, catalogue.FILES):
        for name in names:
            assert len(name) < 3 or nearest(name, names) == name


@pytest.mark.parametrize(
    ("one", "other", "mistakes"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("abc", "xabc", 1), ("abc", "xyz", 3)],
)
def test_distance(one: str, other: str, mistakes: int) -> None:
    assert distance(one, other) == distance(other, one) == mistakes
