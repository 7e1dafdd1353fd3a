"""Certificates that clients show: control/clientca.pem and control/tlsclients (issue 4, point 5)."""

from __future__ import annotations

import ssl

import pytest

from ..support.certificates import Certificate, Pki, install, openssl
from ..support.home import Home, codes
from ..support.tls import SmtpClient

FAR = b"RCPT TO:<far@away.example>"


@pytest.fixture(scope="module")
def laptop(pki: Pki) -> Certificate:
    """The certificate of a client, with two e-mail addresses: subject and subjectAltName."""
    return pki.authority("root").issue("laptop", email="Joe@Example.org", alternative="email:joe@second.example")


@pytest.fixture
def ca_home(home: Home, pki: Pki) -> Home:
    install(home, pki.server())
    home.control("clientca.pem", pki.authority("root").own.pem)
    return home


def mail(home: Home, context: ssl.SSLContext, **env: str) -> tuple[list[int], str]:
    """The codes of MAIL and of a RCPT that only a relay takes, then one message to ourselves; the log."""
    with SmtpClient(home, **env) as client:
        client.starttls(context)
        found = client.say(b"EHLO c.test", b"MAIL FROM:<s@a.example>", FAR)[1:]
        assert client.say(b"RCPT TO:<u@example.org>", b"DATA", b"A: b\r\n\r\n.", b"QUIT") == [250, 354, 250, 221]
        assert client.wait() == 0
    return found, client.log


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize(
    "entry", ["joe@example.org", "JOE@second.EXAMPLE", "{digits}", "SHA256:{digits}", "{colons}", "sha256:{colons}"]
)
def test_a_listed_client_may_relay(ca_home: Home, pki: Pki, laptop: Certificate, entry: str, version: str) -> None:
    """By either address, or by the fingerprint as any tool writes it; the header and the log say so."""
    told = openssl("x509", "-in", str(laptop.certificate), "-noout", "-fingerprint", "-sha256").decode()
    entry = entry.format(digits=laptop.fingerprint, colons=told.strip().partition("=")[2])
    ca_home.control("tlsclients", f"# people\nsomebody@else.example\n{entry}\n")
    context = pki.trusting(laptop)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    found, log = mail(ca_home, context)
    assert found == [250, 250]
    [queued] = ca_home.queued()
    assert queued.recipients == ["far@away.example", "u@example.org"]
    assert queued.env["RELAYCLIENT"] == ""
    name = entry.lower().replace("sha256:", "SHA256:")
    trace = queued.message.partition(b"\n          for ")[0].decode()
    assert f" fingerprint=SHA256:{laptop.fingerprint} verified={name} encrypted SMTP" in trace
    assert f"fingerprint=SHA256:{laptop.fingerprint}\n" in log
    assert f"client certificate of {name} may relay\n" in log


def test_an_unlisted_client_may_not(ca_home: Home, pki: Pki, laptop: Certificate) -> None:
    """Its certificate is told in the header all the same."""
    for listed in (
        None,
        "",
        "# joe@example.org\n",
        "other@example.org\nexample.org\n@example.org\n",
        "laptop\nSHA256:\n",
    ):
        if listed is not None:
            ca_home.control("tlsclients", listed)
        assert mail(ca_home, pki.trusting(laptop))[0] == [250, 553]
    for queued in ca_home.queued():
        assert f" fingerprint=SHA256:{laptop.fingerprint} encrypted SMTP".encode() in queued.message
        assert "RELAYCLIENT" not in queued.env


def test_a_client_need_not_show_one(ca_home: Home, pki: Pki, laptop: Certificate) -> None:
    ca_home.control("tlsclients", "joe@example.org\n")
    assert mail(ca_home, pki.trusting())[0] == [250, 553]
    assert b"fingerprint=no certificate presented" in ca_home.queued()[0].message


def test_the_right_ends_with_nothing_but_the_session(ca_home: Home, pki: Pki, laptop: Certificate) -> None:
    ca_home.control("tlsclients", "joe@example.org\n")
    with SmtpClient(ca_home, SMTPS="1") as client:
        client.handshake(pki.trusting(laptop))
        assert client.code() == 220
        for word in (b"RSET", b"EHLO again", b"HELO again"):
            assert client.say(b"MAIL FROM:<s@a.example>", FAR, word) == [250, 250, 250]


def test_a_transaction_in_clear_gains_nothing(ca_home: Home, pki: Pki, laptop: Certificate) -> None:
    ca_home.control("tlsclients", "joe@example.org\n")
    with SmtpClient(ca_home) as client:
        assert client.code() == 220
        assert client.say(b"MAIL FROM:<s@a.example>", FAR, b"STARTTLS") == [250, 553, 220]
        client.handshake(pki.trusting(laptop))
        assert client.say(FAR) == [503]


def test_without_an_authority_no_certificate_is_asked_for(home: Home, pki: Pki, laptop: Certificate) -> None:
    """Then a client that has one keeps it to itself, whatever tlsclients says."""
    install(home, pki.server())
    home.control("tlsclients", f"joe@example.org\n{laptop.fingerprint}\n")
    assert mail(home, pki.trusting(laptop))[0] == [250, 553]
    assert b"fingerprint=no certificate presented" in home.queued()[0].message


def stranger(pki: Pki) -> Certificate:
    return pki.authority("other").issue("laptop", email="joe@example.org")


def expired(pki: Pki) -> Certificate:
    return pki.authority("root").issue("laptop", email="joe@example.org", start="200101000000Z", end="210101000000Z")


def for_servers(pki: Pki) -> Certificate:
    return pki.authority("root").issue("laptop", email="joe@example.org", usage="serverAuth")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("make", [stranger, expired, for_servers])
def test_a_certificate_that_nobody_vouches_for_ends_the_handshake(
    ca_home: Home, pki: Pki, make: type, version: str
) -> None:
    """It is never taken for none: alert, exit 1, nothing executed; the log has the reason."""
    ca_home.control("tlsclients", "joe@example.org\n")
    context = pki.trusting(make(pki))
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with SmtpClient(ca_home) as client:
        with pytest.raises(ssl.SSLError, match="ALERT"):
            client.starttls(context)
            client.say(b"NOOP")
        assert client.wait() == 1
    assert "handshake failed: certificate verify failed" in client.log


def test_a_chain_of_the_client_is_followed(ca_home: Home, pki: Pki) -> None:
    """An authority in between comes with the client's certificate."""
    made = pki.authority("middle").issue("laptop", email="joe@example.org")
    made.certificate.write_bytes(made.pem + pki.authority("middle").own.pem)
    ca_home.control("tlsclients", "joe@example.org\n")
    assert mail(ca_home, pki.trusting(made))[0] == [250, 250]


def test_names_are_those_of_people_only(ca_home: Home, pki: Pki) -> None:
    """A common name or host name is no e-mail address, and no address may pass for a fingerprint."""
    made = pki.authority("root").issue("joe@example.org", email="", alternative="DNS:laptop,URI:mailto:joe@example.org")
    ca_home.control("tlsclients", "joe@example.org\nlaptop\nmailto:joe@example.org\n")
    assert mail(ca_home, pki.trusting(made))[0] == [250, 553]
    digits = "ab" * 32
    made = pki.authority("root").issue("laptop", email=digits, alternative=f"email:{digits}")
    ca_home.control("tlsclients", digits + "\n")
    assert mail(ca_home, pki.trusting(made))[0] == [250, 553]


def test_with_a_server_name_too(ca_home: Home, pki: Pki, laptop: Certificate) -> None:
    """The context that the name leads to verifies as the default one does."""
    ca_home.control("servercerts/one.example.org.pem", pki.server(name="one.example.org").both)
    ca_home.control("tlsclients", "joe@example.org\n")
    for shown, code in ((laptop, 250), (None, 553)):
        with SmtpClient(ca_home) as client:
            client.starttls(pki.trusting(shown), "one.example.org")
            assert client.say(b"MAIL FROM:<s@a.example>", FAR) == [250, code]
    with SmtpClient(ca_home) as client, pytest.raises(ssl.SSLError, match="ALERT"):
        client.starttls(pki.trusting(stranger(pki)), "one.example.org")
        client.say(b"NOOP")


@pytest.mark.parametrize(
    ("content", "cause"), [(b"", "no certificate or crl found"), (b"garbage\n", "no certificate or crl found")]
)
def test_an_authority_that_is_unusable(ca_home: Home, content: bytes, cause: str) -> None:
    ca_home.control("clientca.pem", content)
    done = ca_home.smtp("STARTTLS\r\nNOOP\r\nQUIT\r\n")
    assert codes(done.stdout) == [220, 454, 250, 221]
    assert f"STARTTLS: control/clientca.pem: {cause}".encode() in done.stderr


def test_an_authority_that_points_nowhere(ca_home: Home) -> None:
    """A link to nothing must not switch verification off."""
    (ca_home.path / "control" / "clientca.pem").unlink()
    (ca_home.path / "control" / "clientca.pem").symlink_to("nowhere.pem")
    done = ca_home.smtp("STARTTLS\r\nQUIT\r\n")
    assert codes(done.stdout) == [220, 454, 221]
    assert b"STARTTLS: control/clientca.pem: No such file or directory" in done.stderr


def test_authenticated_clients_need_no_certificate(ca_home: Home, pki: Pki) -> None:
    ca_home.program("auth_smtp", "#!/bin/sh\ndd bs=1 count=20 of=/dev/null 2>/dev/null; printf 'Kjoe\\000'\n")
    with SmtpClient(ca_home, SMTPAUTH="TLSREQUIRED") as client:
        client.starttls(pki.trusting())
        assert client.say(b"AUTH PLAIN AGpvZQBzZWNyZXQ=", b"MAIL FROM:<s@a.example>", FAR) == [235, 250, 250]
