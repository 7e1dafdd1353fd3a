"""TLS as other people's programs speak it, over tcpserver (issue 4, point 4)."""

from __future__ import annotations

import re
import smtplib
import ssl
import subprocess
from collections.abc import Iterator

import pytest

from ..support.certificates import Certificate, Pki, install
from ..support.home import Home
from ..support.processes import DEADLINE, program, wait_until
from ..support.tcpserver import Server, tcpserver

LETTER = "Subject: t\r\n\r\nbody\r\n.begins with a dot\r\n"
NAME = "mx.example.org"


@pytest.fixture(params=["ec", "rsa"])
def site(request: pytest.FixtureRequest, home: Home, pki: Pki) -> Home:
    """A home with a certificate of either kind and a chain, that takes client certificates."""
    middle = pki.authority("middle")
    made = middle.issue(NAME, request.param, alternative=f"DNS:{NAME},IP:127.0.0.1")
    made.certificate.write_bytes(made.pem + middle.own.pem)
    install(home, made)
    home.control("clientca.pem", pki.authority("root").own.pem)
    home.control("tlsclients", "joe@example.org\n")
    return home


@pytest.fixture
def server(site: Home) -> Iterator[Server]:
    with tcpserver(site) as running:
        yield running


@pytest.fixture
def smtps(site: Home) -> Iterator[Server]:
    with tcpserver(site, SMTPS="1") as running:
        yield running


@pytest.fixture(scope="module")
def laptop(pki: Pki) -> Certificate:
    return pki.authority("root").issue("laptop", email="joe@example.org")


def root(pki: Pki) -> str:
    return str(pki.authority("root").own.certificate)


def run(*argv: str, text: bytes = b"") -> tuple[int, str]:
    """Exit code and everything said."""
    done = subprocess.run(
        [program(argv[0]), *argv[1:]],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace")


def trace(home: Home) -> str:
    """The trace header of the one message."""
    [queued] = home.queued()
    assert queued.message.endswith(b"body\n.begins with a dot\n") or b"swaks" in queued.message
    return " ".join(queued.message.partition(b"; ")[0].decode().split())


# smtplib


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_smtplib_starttls(site: Home, server: Server, pki: Pki, version: str) -> None:
    context = pki.trusting()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with smtplib.SMTP("127.0.0.1", server.port, timeout=DEADLINE) as client:
        client.starttls(context=context)
        client.sendmail("s@a.example", ["u@example.org"], LETTER)
        assert not client.has_extn("starttls")
    assert f"with {version.replace('_', '.')} " in trace(site)


def test_smtplib_smtps_with_a_certificate(site: Home, smtps: Server, pki: Pki, laptop: Certificate) -> None:
    context = pki.trusting(laptop)
    with smtplib.SMTP_SSL("127.0.0.1", smtps.port, timeout=DEADLINE, context=context) as client:
        client.sendmail("s@a.example", ["far@away.example"], LETTER)
    assert "verified=joe@example.org encrypted SMTP" in trace(site)


# openssl s_client


def s_client(server: Server, *options: str, text: bytes = b"quit\n", starttls: bool = True) -> tuple[int, str]:
    """Until the server closes; lower case, since `Q` and `R` at the start of a line are for s_client itself."""
    mode = ["-crlf", *(["-starttls", "smtp"] if starttls else []), *([] if text.isupper() else ["-ign_eof"])]
    return run("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *mode, *options, text=text)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl(server: Server, pki: Pki, version: str) -> None:
    """The chain is verified up to the root; the server's QUIT ends with a close_notify."""
    code, said = s_client(server, version, "-CAfile", root(pki), "-verify_hostname", NAME, "-verify_return_error")
    assert code == 0
    assert "Verify return code: 0 (ok)" in said
    assert len(re.findall(r"^ \d s:", said, re.MULTILINE)) == 2  # the certificate and the authority in between
    assert said.rstrip().endswith("closed")
    assert "unexpected eof" not in said


def test_openssl_smtps(smtps: Server, pki: Pki) -> None:
    code, said = s_client(smtps, "-CAfile", root(pki), "-verify_return_error", starttls=False)
    assert code == 0
    assert "220 mx.example.org ESMTP" in said and "221 " in said


def test_openssl_sees_what_is_asked_for(server: Server, pki: Pki) -> None:
    """Client certificates are asked for; secure renegotiation is there, compression and tickets are not."""
    for version in ("-tls1_2", "-tls1_3"):
        _, said = s_client(server, version, "-CAfile", root(pki))
        assert "Client Certificate Types" in said or "Requested Signature Algorithms" in said
        assert "Compression: NONE" in said
        assert "session ticket" not in said


def test_renegotiation_is_refused(site: Home, server: Server, pki: Pki) -> None:
    """`R` at the start of a line makes s_client ask for it."""
    _, said = s_client(server, "-tls1_2", "-CAfile", root(pki), text=b"R\n")
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said
    [pid] = re.findall(r"qmail-smtpd (\d+): encrypted", server.log)
    wait_until(lambda: f"qmail-smtpd {pid}: connection ended" in server.log, "the session is over")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("one.example.org", "one.example.org"),
        ("ONE.Example.ORG", "one.example.org"),
        ("one.example.org.", "one.example.org"),
        ("two.example.org", NAME),
        ("../servercerts/one.example.org", NAME),
        ("..", NAME),
        ("./one.example.org", NAME),
        ("sub/one", NAME),
        ("one.example.org/", NAME),
        ("/etc/passwd", NAME),
        ("*.example.org", NAME),
        ("x" * 255, NAME),
        (".".join("y" * 60 for _ in "1234"), NAME),
    ],
)
def test_server_names(home: Home, pki: Pki, name: str, found: str) -> None:
    """Names as no library would send them, s_client does: none leads to another file or ends the session."""
    install(home, pki.server())
    home.control("servercerts/one.example.org.pem", pki.server(name="one.example.org").both)
    home.control("servercerts/sub/one.pem", pki.server(name="wrong.example.org").both)
    with tcpserver(home) as running:
        code, said = s_client(running, "-servername", name, "-CAfile", root(pki), "-verify_return_error")
    assert code == 0
    assert f"subject=CN={found}\n" in said.replace("CN = ", "CN=")  # with blanks until OpenSSL 3.2
    assert "Exception" not in running.log


# swaks


def swaks(server: Server, *options: str, to: str = "u@example.org") -> tuple[int, str]:
    base = ["--server", "127.0.0.1", "--port", str(server.port), "--from", "s@a.example", "--to", to, "--timeout", "30"]
    return run("swaks", *base, "--helo", "c.test", *options)


def test_swaks(site: Home, server: Server, pki: Pki) -> None:
    code, said = swaks(server, "--tls", "--tls-verify", "--tls-ca-path", root(pki))
    assert code == 0, said
    assert re.search(r"with TLSv1\.\d \S+ fingerprint=no certificate presented encrypted SMTP", trace(site))


def test_swaks_on_connect(site: Home, smtps: Server) -> None:
    code, said = swaks(smtps, "--tls-on-connect")
    assert code == 0, said
    assert "encrypted SMTP" in trace(site)


def test_swaks_with_a_certificate(site: Home, server: Server, laptop: Certificate, pki: Pki) -> None:
    cert = ["--tls-cert", str(laptop.certificate), "--tls-key", str(laptop.key)]
    code, said = swaks(server, "--tls", *cert, to="far@away.example")
    assert code == 0, said
    assert f"fingerprint=SHA256:{laptop.fingerprint} verified=joe@example.org encrypted SMTP" in trace(site)
    stranger = pki.authority("other").issue("laptop", email="joe@example.org")
    cert = ["--tls-cert", str(stranger.certificate), "--tls-key", str(stranger.key)]
    code, said = swaks(server, "--tls", *cert, to="far@away.example")
    assert code != 0
    assert len(site.queued()) == 1


# Postfix


def test_posttls_finger(server: Server, pki: Pki) -> None:
    """Postfix's own view: the name is verified, TLS 1.3, and no complaint."""
    target = f"[127.0.0.1]:{server.port}"
    code, said = run("posttls-finger", "-c", "-l", "secure", "-F", root(pki), target, NAME)
    assert code == 0, said
    assert "Verified TLS connection established" in said and "TLSv1.3" in said


def test_posttls_finger_with_a_certificate(server: Server, pki: Pki, laptop: Certificate) -> None:
    target = f"[127.0.0.1]:{server.port}"
    code, said = run(
        "posttls-finger",
        "-l",
        "verify",
        "-F",
        root(pki),
        "-k",
        str(laptop.certificate),
        "-K",
        str(laptop.key),
        target,
        NAME,
    )
    assert code == 0, said
    wait_until(lambda: "client certificate of joe@example.org may relay" in server.log, "it is told in the log")


def test_posttls_finger_and_an_unusable_certificate(site: Home) -> None:
    """454: Postfix goes on in clear where its policy lets it."""
    site.control("cert.pem", b"")
    with tcpserver(site) as running:
        code, said = run("posttls-finger", "-l", "may", f"[127.0.0.1]:{running.port}")
        assert "454 " in said
        assert "STARTTLS: control/cert.pem: no certificate in it" in running.log


def test_smtp_source_in_clear_beside_tls(site: Home, server: Server) -> None:
    """It speaks no TLS: where TLS is offered, mail in clear comes in as ever."""
    options = ["-s", "4", "-m", "20", "-l", "5000", "-f", "s@a.example", "-t", "u@example.org"]
    code, said = run("smtp-source", *options, f"inet:127.0.0.1:{server.port}")
    assert code == 0, said
    assert len(site.queued()) == 20
