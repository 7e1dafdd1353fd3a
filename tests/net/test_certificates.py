"""Certificate files of every kind: unusable ones are told in the log and the session goes on (SPEC section 10)."""

from __future__ import annotations

import os
import pty
import ssl
import subprocess
from pathlib import Path

import pytest

from qmail_smtpd.net.certificates import validity

from ..support.certificates import Pki, install, openssl
from ..support.home import Home, codes
from ..support.processes import BIN, DEADLINE, program
from ..support.tls import SmtpClient

MAIL = b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<s@a.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nA: b\r\n\r\n.\r\nQUIT\r\n"
PAST, LONG_AGO, FUTURE = "210101000000Z", "200101000000Z", "490101000000Z"


def expect_unusable(home: Home, named: str, cause: str, user: int | None = None) -> None:
    """STARTTLS gets 454 and mail passes in clear; SMTPS ends without a word; the log names file and cause."""
    with SmtpClient(home, user=user) as client:
        client.send(MAIL)
        reply = client.rest()
        assert client.wait() == 0
    assert codes(reply) == [220, 250, 454, 250, 250, 354, 250, 221], (reply, client.log)
    assert b"(#4.3.0)" in reply
    for starts in ("STARTTLS: ", "SMTPS: "):
        if starts == "SMTPS: ":
            with SmtpClient(home, user=user, SMTPS="1") as client:
                assert client.rest() == b""
                assert client.wait() == 1
        [line] = [line for line in client.log.splitlines() if starts in line]
        assert f"{starts}{named}" in line and cause in line, line
    [queued] = home.queued()
    assert b"with SMTP" in queued.message


def test_a_file_that_is_not_there(tls_home: Home) -> None:
    tls_home.control("smtpcert", "control/nothing.pem\n")
    expect_unusable(tls_home, "control/nothing.pem: ", "No such file or directory")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "no certificate in it"),
        (b"garbage\n" * 1000, "no certificate in it"),
        (os.urandom(5000), "no certificate in it"),
        (b"-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\n", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\n" + b"x" * (1 << 20), "too large"),
    ],
)
def test_a_file_that_is_no_certificate(tls_home: Home, content: bytes, cause: str) -> None:
    tls_home.control("cert.pem", content)
    expect_unusable(tls_home, "control/cert.pem: ", cause)


def test_a_certificate_that_breaks_off(tls_home: Home, pki: Pki) -> None:
    lines = pki.server().pem.splitlines(keepends=True)
    tls_home.control("cert.pem", b"".join(lines[:6] + lines[-1:]) + pki.server().key.read_bytes())
    expect_unusable(tls_home, "control/cert.pem: ", "")


def test_a_folder_and_a_pipe_are_no_files(tls_home: Home) -> None:
    """A pipe would keep us waiting for its writer."""
    (tls_home.path / "control" / "cert.pem").unlink()
    os.mkfifo(tls_home.path / "control" / "cert.pem")
    expect_unusable(tls_home, "control/cert.pem: ", "not a regular file")
    (tls_home.path / "control" / "folder").mkdir()
    tls_home.control("smtpcert", "control/folder\n")
    for queued in (tls_home.path / "queued").iterdir():
        queued.unlink()
    expect_unusable(tls_home, "control/folder: ", "not a regular file")


@pytest.mark.parametrize(
    ("start", "end", "cause"),
    [
        (LONG_AGO, PAST, "the certificate expired on 2021-01-01"),
        (FUTURE, "20520101000000Z", "the certificate is valid only from 2049-01-01 on"),
    ],
)
def test_out_of_its_time(home: Home, pki: Pki, start: str, end: str, cause: str) -> None:
    """It is served, as by every other receiver; a client that looks at it goes away, and each session says why."""
    install(home, pki.authority("root").issue("mx.example.org", start=start, end=end))
    for looks in (False, True):
        context = pki.trusting()
        context.check_hostname = looks
        context.verify_mode = ssl.CERT_REQUIRED if looks else ssl.CERT_NONE
        with SmtpClient(home) as client:
            if looks:
                with pytest.raises(ssl.SSLCertVerificationError):
                    client.starttls(context)
                client.hang_up()
            else:
                client.starttls(context)
                assert client.say(b"QUIT") == [221]
            client.wait()
        [line] = [line for line in client.log.splitlines() if "TLS: " in line]
        assert line.endswith(f"TLS: control/cert.pem: {cause}")


def test_mismatched(home: Home, pki: Pki) -> None:
    home.control("cert.pem", pki.server().pem + pki.server(name="other.example.org").key.read_bytes())
    home.control("smtpcert", "control/cert.pem\n")
    expect_unusable(home, "control/cert.pem: ", "key values mismatch")


def test_mismatched_beside(home: Home, pki: Pki) -> None:
    home.control("cert.pem", pki.server().pem)
    home.control("cert.pem.key", pki.server("rsa").key.read_bytes())
    home.control("smtpcert", "control/cert.pem\n")
    expect_unusable(home, "control/cert.pem with control/cert.pem.key: ", "of another kind")


def test_no_key(home: Home, pki: Pki) -> None:
    home.control("cert.pem", pki.server().pem)
    home.control("smtpcert", "control/cert.pem\n")
    expect_unusable(home, "control/cert.pem: ", "no private key in it, nor in ")


def test_a_key_that_is_garbage(home: Home, pki: Pki) -> None:
    home.control("cert.pem", pki.server().pem)
    home.control("cert.key", b"-----BEGIN PRIVATE KEY-----\ngarbage\n-----END PRIVATE KEY-----\n")
    home.control("smtpcert", "control/cert.pem\n")
    expect_unusable(home, "control/cert.pem with control/cert.key: ", "")


def test_a_key_that_is_too_weak(home: Home, pki: Pki) -> None:
    install(home, pki.server("weak"))
    expect_unusable(home, "control/cert.pem: ", "ee key too small")


def test_a_name_that_is_not_utf8(home: Home) -> None:
    home.control("smtpcert", b"control/\xfcbel.pem\n")
    expect_unusable(home, "control/\\374bel.pem: ", "No such file or directory")


def test_smtps_without_a_certificate(home: Home) -> None:
    with SmtpClient(home, SMTPS="1") as client:
        assert client.rest() == b""
        assert client.wait() == 1
    assert "SMTPS: control/smtpcert: no certificate configured" in client.log


@pytest.mark.root
@pytest.mark.parametrize("broken", ["cert.pem", "cert.key"])
def test_files_that_only_root_may_read(public_folder: Path, pki: Pki, broken: str) -> None:
    """As an unprivileged user, which is how the program runs."""
    home = Home(public_folder / f"only-root-{broken}")
    home.control("cert.pem", pki.server().pem)
    home.control("cert.key", pki.server().key.read_bytes())
    home.control("smtpcert", "control/cert.pem\n")
    (home.path / "control" / broken).chmod(0o600)
    expect_unusable(home, f"control/{broken}: ", "Permission denied", user=65534)


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_key_with_a_passphrase_is_not_asked_for(home: Home, pki: Pki, form: str, beside: bool) -> None:
    """Neither on the terminal, which is there, nor of the client: OpenSSL would read it from fd 0."""
    made = pki.server("rsa")
    options = ["-aes256", "-passout", "pass:secret", *(["-traditional"] if form == "traditional" else [])]
    key = openssl("rsa", "-in", str(made.key), *options)
    home.control("cert.pem", made.pem if beside else made.pem + key)
    if beside:
        home.control("privkey.pem", key)
    home.control("smtpcert", "control/cert.pem\n")
    expect_unusable(home, f"control/{'privkey' if beside else 'cert'}.pem: ", "protected by a passphrase")
    reply, typed = on_a_terminal(home, MAIL)
    assert codes(reply) == [220, 250, 454, 250, 250, 354, 250, 221]
    assert b"pass" not in typed


def on_a_terminal(home: Home, text: bytes) -> tuple[bytes, bytes]:
    """A session over pipes in a process that has a terminal: (replies, what was written to the terminal)."""
    ours, terminal = pty.openpty()
    commands, ours_out = os.pipe()
    os.write(ours_out, text)
    os.close(ours_out)
    script = f'exec "$0" 0<&{commands} 2>/dev/null'
    argv = [program("setsid"), "--ctty", program("bash"), "-c", script, os.fspath(BIN / "qmail-smtpd")]
    try:
        done = subprocess.run(
            argv,
            stdin=terminal,
            stdout=subprocess.PIPE,
            env=home.env(),
            pass_fds=[commands],
            timeout=DEADLINE,
            check=False,
        )
        os.close(terminal)
        terminal = -1
        return done.stdout, _read_terminal(ours)
    finally:
        for fd in {ours, terminal, commands} - {-1}:
            os.close(fd)


def _read_terminal(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # EIO: nothing was written and nobody has it open any more
        return b""


# How the time of a certificate is read


def test_validity_is_what_openssl_says(pki: Pki) -> None:
    root = pki.authority("root")
    for times in ({}, {"start": LONG_AGO, "end": PAST}, {"start": "20500101000000Z", "end": "99991231235959Z"}):
        made = root.issue("mx.example.org", **times)
        told = openssl("x509", "-in", str(made.certificate), "-noout", "-dates", "-dateopt", "iso_8601").decode()
        found = ["".join(c for c in line if c.isdigit()) + "Z" for line in told.splitlines()]
        assert list(validity(made.pem)) == found
    old = root.own.certificate.read_bytes()
    assert validity(b"some words\n" + old + pki.server().pem) == validity(old)


def test_a_damaged_certificate_is_a_value_error(pki: Pki) -> None:
    """Cut anywhere, and with each byte changed."""
    der = pki.server().der
    damaged = [der[:at] for at in range(0, 300)] + [der[:at] + b"\xff" + der[at + 1 :] for at in range(300)]
    for text in damaged:
        try:
            start, end = validity(ssl.DER_cert_to_PEM_cert(text).encode())
        except ValueError:
            continue
        assert len(start) == len(end) == 15
