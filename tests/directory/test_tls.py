"""Both programs over an encrypted connection: ldaps and StartTLS, with right and wrong certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.slapd import Certificate, Slapd, generated, make_certificate, slapd
from .conftest import MakeHome
from .programs import verify
from .test_faults import AT, FAILS, NOT_NOW, READ, ask

WORKS = {"qmail-verify": b"K", "auth_smtp": b"Kperson0\0"}
CERTIFICATE = "the certificate of the server is not accepted"
Tls = Callable[[Slapd], dict[str, str]]
ENCRYPTED: dict[str, Tls] = {
    "ldaps": lambda server: {"ldapserver": server.ldaps},
    "starttls": lambda server: {"ldapserver": server.host_port, "ldapstarttls": "1"},
}


@pytest.mark.parametrize("name", FAILS)
@pytest.mark.parametrize("kind", ENCRYPTED)
def test_tls_with_a_certificate_we_trust(
    make_home: MakeHome, server: Slapd, certificate: Certificate, kind: str, name: str
) -> None:
    home = make_home(**ENCRYPTED[kind](server), **READ, ldapcafile=str(certificate.certificate))
    assert ask(home, name) == WORKS[name]


@pytest.mark.parametrize("name", FAILS)
@pytest.mark.parametrize("kind", ENCRYPTED)
@pytest.mark.parametrize("trusted", ["none", "other", "missing"])
def test_tls_with_a_certificate_we_do_not_trust(
    make_home: MakeHome, server: Slapd, tmp_path: Path, kind: str, name: str, trusted: str
) -> None:
    files = {"none": None, "missing": str(tmp_path / "none.pem"), "other": ""}
    if trusted == "other":
        files["other"] = str(make_certificate(tmp_path).certificate)
    home = make_home(**ENCRYPTED[kind](server), **READ, ldapcafile=files[trusted])
    assert ask(home, name) == FAILS[name]
    cause = f"No such file or directory: '{files['missing']}'" if trusted == "missing" else CERTIFICATE
    assert cause in (home.path / f"{name}.log").read_text()


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_tls_with_a_certificate_for_another_name(make_home: MakeHome, tmp_path: Path, kind: str) -> None:
    other = make_certificate(tmp_path, "ldap.example.org")
    with slapd(generated(1), other) as server, server.running():
        home = make_home(**ENCRYPTED[kind](server), ldapcafile=str(other.certificate))
        assert verify(home, "person0" + AT) == [NOT_NOW]
    assert CERTIFICATE in (home.path / "qmail-verify.log").read_text()


@pytest.mark.parametrize("scheme", ["", "ldap://", "LDAP://", "Ldap://"])
@pytest.mark.parametrize("value", ["1", "", "yes", " 1", "2"])
def test_no_spelling_gets_around_start_tls(make_home: MakeHome, scheme: str, value: str) -> None:
    """The password that we bind with goes out encrypted or not at all."""
    with slapd(generated(1)) as server, server.running():
        home = make_home(ldapserver=scheme + server.host_port, ldapstarttls=value, ldaplogin="cn=x", ldappassword="y")
        assert verify(home, "person0" + AT) == [NOT_NOW]
        assert "StartTLS: " in (home.path / "qmail-verify.log").read_text()
        assert " BIND " not in server.log.read_text()


@pytest.mark.parametrize("form", ["<ldap://{}>", "URL:ldap://{}", "http://{}"])
def test_what_is_no_ldap_server_to_us_is_none(make_home: MakeHome, server: Slapd, form: str) -> None:
    home = make_home(ldapserver=form.format(server.host_port))
    assert verify(home, "person0" + AT) == [NOT_NOW]
    assert "not an LDAP server" in (home.path / "qmail-verify.log").read_text()


def test_start_tls_is_not_asked_for(make_home: MakeHome) -> None:
    with slapd(generated(1)) as server, server.running():
        assert verify(make_home("off", ldapserver=server.host_port, ldapstarttls="0"), "person0" + AT) == [b"K"]
        assert verify(make_home("unix", ldapserver=server.ldapi, ldapstarttls="1"), "person0" + AT) == [b"K"]
