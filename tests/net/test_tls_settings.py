"""What the operator may choose: files and their places, ciphers, names (SPEC sections 2 and 10)."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from qmail_smtpd.net.certificates import named_certificate

from ..support.certificates import Pki, install, openssl
from ..support.home import Home, codes
from ..support.processes import ROOT
from ..support.tls import SmtpClient


@pytest.fixture
def tls_home(home: Home, pki: Pki) -> Home:
    install(home, pki.server("rsa"))
    return home


def shown(home: Home, pki: Pki, name: str | None = "mx.example.org", **env: str) -> bytes:
    """The certificate that a client gets which asks for `name`, whatever it is issued for."""
    context = pki.trusting()
    context.verify_mode = ssl.CERT_OPTIONAL
    with SmtpClient(home, **env) as client:
        client.starttls(context, name)
        assert client.say(b"NOOP", b"QUIT") == [250, 221]
        assert client.secure
        return client.secure.getpeercert(True) or b""


def cipher(home: Home, context: ssl.SSLContext) -> str:
    with SmtpClient(home) as client:
        client.starttls(context)
        assert client.secure
        return (client.secure.cipher() or ("",))[0]


def old_protocol(pki: Pki, ciphers: str) -> ssl.SSLContext:
    context = pki.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    return context


# Files


@pytest.mark.parametrize("key", ["cert.pem.key", "cert.key", "privkey.pem"])
def test_the_key_beside(home: Home, pki: Pki, key: str) -> None:
    home.control("cert.pem", pki.server().pem)
    home.control(key, pki.server().key.read_bytes())
    home.control("smtpcert", "control/cert.pem\n")
    assert shown(home, pki) == pki.server().der


def test_the_nearest_key_wins(home: Home, pki: Pki) -> None:
    """In the file before FILE.key before stem.key before privkey.pem."""
    wrong = pki.server("rsa").key.read_bytes()
    home.control("smtpcert", "control/cert.pem\n")
    places = ["cert.pem.key", "cert.key", "privkey.pem"]
    for place in places:
        home.control(place, wrong)
    home.control("cert.pem", pki.server().both)
    assert shown(home, pki) == pki.server().der
    home.control("cert.pem", pki.server().pem)
    for place in places:
        home.control(place, pki.server().key.read_bytes())
        assert shown(home, pki) == pki.server().der
        (home.path / "control" / place).unlink()


def test_key_first_certificate_second(home: Home, pki: Pki) -> None:
    home.control("cert.pem", pki.server().key.read_bytes() + pki.server().pem)
    home.control("smtpcert", "control/cert.pem\n")
    assert shown(home, pki) == pki.server().der


def test_the_traditional_form_of_a_key(home: Home, pki: Pki) -> None:
    for kind, command in (("rsa", ["rsa", "-traditional"]), ("ec", ["ec"])):
        made = pki.server(kind)
        home.control("cert.pem", made.pem + openssl(*command, "-in", str(made.key)))
        home.control("smtpcert", "control/cert.pem\n")
        assert shown(home, pki) == made.der


def test_the_chain_is_presented(home: Home, pki: Pki) -> None:
    """Only with it can a client that knows the root follow the way there."""
    middle = pki.authority("middle")
    made = middle.issue("mx.example.org")
    for chain, trusted in ((middle.own.certificate.read_bytes(), True), (b"", False)):
        home.control("cert.pem", made.pem + chain + made.key.read_bytes())
        home.control("smtpcert", "control/cert.pem\n")
        with SmtpClient(home) as client:
            if trusted:
                client.starttls(pki.trusting())
                assert client.say(b"NOOP") == [250]
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    client.starttls(pki.trusting())


def test_links_are_followed(home: Home, pki: Pki, tmp_path: Path) -> None:
    """As certbot lays them out: live/NAME/fullchain.pem and privkey.pem, links into archive/."""
    (tmp_path / "archive").mkdir()
    (tmp_path / "live").mkdir()
    for name, content in (("fullchain", pki.server().pem), ("privkey", pki.server().key.read_bytes())):
        (tmp_path / "archive" / f"{name}1.pem").write_bytes(content)
        (tmp_path / "live" / f"{name}.pem").symlink_to(f"../archive/{name}1.pem")
    home.control("smtpcert", f"{tmp_path}/live/fullchain.pem\n")
    assert shown(home, pki) == pki.server().der
    home.control("smtpcert", "control/linked.pem\n")
    (home.path / "control" / "linked.pem").symlink_to(tmp_path / "live" / "fullchain.pem")
    (home.path / "control" / "linked.key").symlink_to(tmp_path / "live" / "privkey.pem")
    assert shown(home, pki) == pki.server().der


def test_sslcert_overrides(tls_home: Home, pki: Pki) -> None:
    """Relative to the home as control/smtpcert is, or absolute; empty it means no TLS."""
    own = tls_home.control("own.pem", pki.server().both)
    assert shown(tls_home, pki, SSLCERT="control/own.pem") == pki.server().der
    assert shown(tls_home, pki, SSLCERT=str(own)) == pki.server().der
    assert shown(tls_home, pki) == pki.server("rsa").der
    done = tls_home.smtp("EHLO a\r\nSTARTTLS\r\nQUIT\r\n", SSLCERT="")
    assert codes(done.stdout) == [220, 250, 502, 221]
    assert b"STARTTLS" not in done.stdout


def test_the_next_session_uses_a_new_file(home: Home, pki: Pki) -> None:
    """And one that has begun keeps what it has, whichever it reads at STARTTLS."""
    install(home, pki.server("rsa"))
    with SmtpClient(home) as before:
        before.starttls(pki.trusting())
        fresh = home.control("fresh.pem", pki.server("ec").both)
        os.rename(fresh, home.path / "control" / "cert.pem")
        assert shown(home, pki) == pki.server("ec").der
        assert before.say(b"NOOP", b"QUIT") == [250, 221]
    home.control("cert.pem", b"")
    assert codes(home.smtp("STARTTLS\r\nQUIT\r\n").stdout) == [220, 454, 221]
    install(home, pki.server("rsa"))
    assert shown(home, pki) == pki.server("rsa").der


# Ciphers


@pytest.mark.parametrize("name", ["secure", "default", "compat", "legacy", "insecure", "ECDHE-RSA-AES128-GCM-SHA256"])
def test_named_and_own_ciphers(tls_home: Home, pki: Pki, name: str) -> None:
    """Forward secrecy without CBC is taken by all; plain RSA only by the old ones."""
    tls_home.control("tlsciphers", name + "\n")
    assert cipher(tls_home, old_protocol(pki, "ECDHE-RSA-AES128-GCM-SHA256")) == "ECDHE-RSA-AES128-GCM-SHA256"
    if name in ("legacy", "insecure"):
        assert cipher(tls_home, old_protocol(pki, "AES128-SHA")) == "AES128-SHA"
    else:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            cipher(tls_home, old_protocol(pki, "AES128-SHA"))
    assert cipher(tls_home, pki.trusting()).startswith("TLS_")  # TLS 1.3 has its own


def test_nobody_negotiates_without_a_certificate_or_a_key(tls_home: Home, pki: Pki) -> None:
    for name in ("secure", "compat", "legacy", "insecure"):
        tls_home.control("tlsciphers", name + "\n")
        for weak in ("aNULL:@SECLEVEL=0", "eNULL:@SECLEVEL=0"):
            context = old_protocol(pki, weak)
            context.verify_mode = ssl.CERT_OPTIONAL
            with pytest.raises(ssl.SSLError):
                cipher(tls_home, context)


def test_ciphers_that_openssl_does_not_know(tls_home: Home) -> None:
    tls_home.control("tlsciphers", "nonsense\n")
    done = tls_home.smtp("STARTTLS\r\nNOOP\r\nQUIT\r\n")
    assert codes(done.stdout) == [220, 454, 250, 221]
    assert b"STARTTLS: control/tlsciphers: " in done.stderr


@pytest.mark.parametrize(("parameters", "ciphers", "bits"), [("auto", "legacy", 2048), ("legacy", "insecure", 1024)])
def test_diffie_hellman(tls_home: Home, pki: Pki, parameters: str, ciphers: str, bits: int) -> None:
    """None by default; `auto` are ours of 2048 bits, `legacy` of 1024."""
    context = old_protocol(pki, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
    tls_home.control("tlsciphers", ciphers + "\n")
    for none in ("none", "nonsense", ""):
        tls_home.control("tlsdheparams", none + "\n")
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            cipher(tls_home, context)
    tls_home.control("tlsdheparams", parameters + "\n")
    assert cipher(tls_home, context) == "DHE-RSA-AES128-GCM-SHA256"
    file = ROOT / "qmail_smtpd" / "net" / f"dh-{bits}.pem"
    assert f"({bits} bit)" in openssl("dhparam", "-in", str(file), "-noout", "-text", "-check").decode()


@pytest.mark.parametrize("ciphers", ["secure", "compat", "ALL:!aNULL"])
@pytest.mark.parametrize("parameters", ["auto", "legacy"])
def test_finite_fields_only_where_legacy_is_meant(tls_home: Home, pki: Pki, parameters: str, ciphers: str) -> None:
    tls_home.control("tlsciphers", ciphers + "\n")
    tls_home.control("tlsdheparams", parameters + "\n")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        cipher(tls_home, old_protocol(pki, "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA:@SECLEVEL=0"))


# Server names


@pytest.fixture
def named_home(tls_home: Home, pki: Pki) -> Home:
    for name in ("one.example.org", "two.example.org"):
        tls_home.control(f"servercerts/{name}.pem", pki.server(name=name).both)
    return tls_home


def test_a_client_gets_the_certificate_it_asks_for(named_home: Home, pki: Pki) -> None:
    for name in ("one.example.org", "two.example.org"):
        with SmtpClient(named_home) as client:
            client.starttls(pki.trusting(), name)  # and checks it
            assert client.say(b"NOOP") == [250]
    with SmtpClient(named_home, SMTPS="1") as client:
        client.handshake(pki.trusting(), "one.example.org")
        assert client.code() == 220


@pytest.mark.parametrize("name", [None, "three.example.org", "example.org", "one.example.org.pem", "y" * 63])
def test_other_names_get_the_default(named_home: Home, pki: Pki, name: str | None) -> None:
    assert shown(named_home, pki, name) == pki.server("rsa").der


def test_a_named_certificate_that_is_broken(named_home: Home, pki: Pki) -> None:
    """The default is better than none; the log has the reason."""
    named_home.control("servercerts/two.example.org.pem", b"garbage")
    context = pki.trusting()
    context.verify_mode = ssl.CERT_OPTIONAL
    with SmtpClient(named_home) as client:
        client.starttls(context, "two.example.org")
        assert client.secure and client.secure.getpeercert(True) == pki.server("rsa").der
        assert client.say(b"QUIT") == [221]
        assert client.wait() == 0
    assert "server name: control/servercerts/two.example.org.pem: no certificate in it" in client.log


def test_a_named_certificate_that_has_expired(named_home: Home, pki: Pki) -> None:
    """It has the right name: whoever looks at its time would look at the name too."""
    expired = pki.authority("root").issue("two.example.org", start="200101000000Z", end="210101000000Z")
    named_home.control("servercerts/two.example.org.pem", expired.both)
    context = pki.trusting()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with SmtpClient(named_home) as client:
        client.starttls(context, "two.example.org")
        assert client.secure and client.secure.getpeercert(True) == expired.der


def test_no_name_reaches_another_file(named_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in the way of a path: there are files that a careless one would find."""
    monkeypatch.chdir(named_home.path)
    for bait in (".pem", "..pem", "sub/x.pem", "a b.pem", "a_b.pem", "\xe4.pem", "-/y.pem", "*.pem"):
        named_home.control(f"servercerts/{bait}", b"")
    (named_home.path / "control/servercerts/folder.pem").mkdir()
    odd = ["", ".", "..", "...", "../cert", "sub/x", "/etc/ssl/x", "..%2fcert", "a b", "a_b", "\xe4", "\u0661", "*"]
    odd += ["one.example.org/", "./one.example.org", ".one.example.org", "one.example.org\0", "x" * 100000, "folder"]
    odd += ["a." * 3000, "-/y", "one.example.org\n", "one\\example"]
    assert [named_certificate(name) for name in odd] == [""] * len(odd)
    path = "control/servercerts/one.example.org.pem"
    assert named_certificate("one.example.org") == path
    assert named_certificate("ONE.Example.ORG.") == path
