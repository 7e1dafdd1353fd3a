"""STARTTLS and SMTPS sessions, byte by byte, over pipes and socket pairs (SPEC section 10)."""

from __future__ import annotations

import ssl

import pytest

from ..support.certificates import Pki, install
from ..support.home import Home
from ..support.tls import SmtpClient

MESSAGE = b"Subject: t\r\n\r\nbody\r\n"
ENVELOPE = (b"MAIL FROM:<s@sender.example>", b"RCPT TO:<u@example.org>", b"DATA")


def limited(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("via", ["socketpair", "pipes"])
@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("smtps", [False, True])
def test_mail_over_tls(home: Home, pki: Pki, via: str, kind: str, version: str, smtps: bool) -> None:
    """Both ways in, both protocols, both kinds of key: the message arrives, the header and the log tell how."""
    install(home, pki.server(kind))
    context = limited(pki.trusting(), ssl.TLSVersion[version])
    with SmtpClient(home, via, **({"SMTPS": "1"} if smtps else {})) as client:
        if smtps:
            client.handshake(context)
            assert client.code() == 220
        else:
            client.starttls(context)
        assert client.secure and client.secure.version() == version.replace("_", ".")
        cipher = client.secure.cipher()
        assert client.say(b"EHLO b.test", *ENVELOPE) == [250, 250, 250, 354]
        assert client.say(MESSAGE + b".", b"QUIT") == [250, 221]
        assert client.rest() == b""  # and no error: the end was announced by close_notify
        assert client.wait() == 0
    how = f"{version.replace('_', '.')} {cipher[0]}" if cipher else ""
    [queued] = home.queued()
    trace = f"with {how} fingerprint=no certificate presented encrypted SMTP\n".encode()
    assert trace in queued.message
    assert queued.message.endswith(b"\nSubject: t\n\nbody\n")
    hybrid = version == "TLSv1_3" and ssl.OPENSSL_VERSION_INFO >= (3, 5)  # both sides know it
    assert f"encrypted: {how} group={'X25519MLKEM768' if hybrid else 'X25519'}\n" in client.log


def test_the_certificate_is_that_of_the_file(tls_home: Home, pki: Pki) -> None:
    with SmtpClient(tls_home) as client:
        client.starttls(pki.trusting())
        assert client.secure and client.secure.getpeercert(True) == pki.server().der


def test_keywords_before_and_after(tls_home: Home, pki: Pki) -> None:
    with SmtpClient(tls_home, SMTPAUTH="TLSREQUIRED") as client:
        assert client.code() == 220
        client.send(b"EHLO a\r\n")
        before = client.reply()
        assert b"STARTTLS" in before and b"AUTH" not in before
        assert client.say(b"AUTH LOGIN", b"STARTTLS") == [538, 220]
        client.handshake(pki.trusting())
        client.send(b"EHLO a\r\n")
        after = client.reply()
        assert b"STARTTLS" not in after and b"AUTH LOGIN PLAIN" in after


def test_auth_that_needs_tls_works_inside(tls_home: Home, pki: Pki) -> None:
    tls_home.program("auth_smtp", "#!/bin/sh\ndd bs=1 count=20 of=/dev/null 2>/dev/null; printf 'Kjoe\\000'\n")
    with SmtpClient(tls_home, SMTPAUTH="TLSREQUIRED") as client:
        client.starttls(pki.trusting())
        assert client.say(b"AUTH PLAIN AGpvZQBzZWNyZXQ=") == [235]
        assert client.say(b"MAIL FROM:<joe@x.example>", b"RCPT TO:<far@away.example>") == [250, 250]


def test_smtps_offers_no_starttls(tls_home: Home, pki: Pki) -> None:
    with SmtpClient(tls_home, SMTPS="1") as client:
        client.handshake(pki.trusting())
        assert client.code() == 220
        client.send(b"EHLO a\r\n")
        assert b"STARTTLS" not in client.reply()
        assert client.say(b"STARTTLS", b"STARTTLS x", b"NOOP", b"QUIT") == [503, 503, 250, 221]


def test_only_smtps_1_is_tls_from_the_first_byte(tls_home: Home) -> None:
    for value in ("0", "", "2"):
        with SmtpClient(tls_home, SMTPS=value) as client:
            assert client.code() == 220


def test_starttls_twice(tls_home: Home, pki: Pki) -> None:
    with SmtpClient(tls_home) as client:
        client.starttls(pki.trusting())
        assert client.say(b"STARTTLS", b"EHLO a", b"STARTTLS", b"QUIT") == [503, 250, 503, 221]


def test_what_was_said_in_clear_is_forgotten(tls_home: Home, pki: Pki) -> None:
    with SmtpClient(tls_home) as client:
        assert client.code() == 220
        assert client.say(b"EHLO clear.test", *ENVELOPE[:2], b"STARTTLS") == [250, 250, 250, 220]
        client.handshake(pki.trusting())
        assert client.say(b"RCPT TO:<u@example.org>", b"DATA") == [503, 503]
        assert client.say(*ENVELOPE, MESSAGE + b".") == [250, 250, 354, 250]
    [queued] = tls_home.queued()
    assert b"HELO" not in queued.message.split(b"\nSubject:")[0]


@pytest.mark.parametrize(
    "injected",
    [
        b"NOOP\r\n",
        b"RSET\r\nMAIL FROM:<evil@sender.example>\r\n",
        b"EHLO evil\r\n" + b"\r\n".join(ENVELOPE) + b"\r\n" + MESSAGE + b".\r\n",
        b"MAIL FROM:<evil@",  # half a line must not become the head of the first one inside
    ],
)
def test_plaintext_behind_starttls_is_thrown_away(tls_home: Home, pki: Pki, injected: bytes) -> None:
    """In the same write as STARTTLS: never executed, never answered."""
    with SmtpClient(tls_home) as client:
        assert client.code() == 220
        client.send(b"STARTTLS\r\n" + injected)
        assert client.code() == 220
        client.handshake(pki.trusting())
        assert client.say(b"RCPT TO:<u@example.org>", b"HELP", b"QUIT") == [503, 214, 221]
        assert client.rest() == b""
        assert client.wait() == 0
    assert tls_home.queued() == []


def test_plaintext_that_arrives_after_the_reply_ends_the_session(tls_home: Home) -> None:
    """Read as a handshake it is garbage: nothing of it is executed."""
    with SmtpClient(tls_home) as client:
        assert client.code() == 220
        assert client.say(b"STARTTLS") == [220]
        client.send(b"\r\n".join(ENVELOPE) + b"\r\n" + MESSAGE + b".\r\n")
        assert b"250" not in client.rest()
        assert client.wait() == 1
    assert "handshake failed" in client.log
    assert tls_home.queued() == []


def test_a_timeout_inside_gives_no_reply(tls_home: Home, pki: Pki) -> None:
    tls_home.control("timeoutsmtpd", "1\n")
    with SmtpClient(tls_home) as client:
        client.starttls(pki.trusting())
        assert client.say(*ENVELOPE) == [250, 250, 354]
        with pytest.raises(ssl.SSLError, match="(?i)eof"):
            client.rest()
        assert client.wait() == 1
    assert tls_home.queued() == []


def test_the_session_limit_inside_is_told_inside(tls_home: Home, pki: Pki) -> None:
    tls_home.control("sessiontimeout", "1\n")
    with SmtpClient(tls_home) as client:
        client.starttls(pki.trusting())
        assert client.code() == 421
        assert client.wait() == 1


def test_leaving_inside_is_the_end(tls_home: Home, pki: Pki) -> None:
    for farewell in (False, True):
        with SmtpClient(tls_home) as client:
            client.starttls(pki.trusting())
            assert client.say(*ENVELOPE) == [250, 250, 354]
            client.send(MESSAGE)
            if farewell and client.secure:
                with pytest.raises(ssl.SSLWantReadError):
                    client.secure.unwrap()
                client.raw_send(client._to_server.read())
            client.hang_up()
            assert client.wait() == 1
    assert tls_home.queued() == []


def test_quit_is_exit_0_also_if_the_client_does_not_wait(tls_home: Home, pki: Pki) -> None:
    for via in ("socketpair", "pipes"):
        with SmtpClient(tls_home, via) as client:
            client.starttls(pki.trusting())
            assert client.say(b"QUIT") == [221]
            client.hang_up()
            assert client.wait() == 0


@pytest.mark.parametrize("via", ["socketpair", "pipes"])
def test_a_large_message_and_a_flood_of_replies(tls_home: Home, pki: Pki, via: str) -> None:
    """8 MB in, and 300 kB of replies out in one go: more than any buffer on the way holds."""
    body = b"0123456789abcdef" * 64 + b"\r\n"
    with SmtpClient(tls_home, via) as client:
        client.starttls(pki.trusting())
        assert client.say(*ENVELOPE) == [250, 250, 354]
        for _ in range(125):
            client.send(body * 64)
        assert client.say(b".") == [250]
        for _ in range(4):
            client.send(b"NOOP\r\n" * 3000)
            assert [client.code() for _ in range(3000)] == [250] * 3000
        assert client.say(b"QUIT") == [221]
    [queued] = tls_home.queued()
    assert queued.message.endswith(body.replace(b"\r\n", b"\n") * 8000)


def test_byte_by_byte(tls_home: Home, pki: Pki) -> None:
    """Every byte of the handshake and of the records in a write of its own."""
    with SmtpClient(tls_home) as client:
        assert client.code() == 220
        assert client.say(b"STARTTLS") == [220]
        client.handshake(pki.trusting(), bytewise=True)
        for command, code in zip(
            (b"EHLO a", *ENVELOPE, MESSAGE + b".", b"QUIT"), (250, 250, 250, 354, 250, 221), strict=True
        ):
            client.send(command + b"\r\n", bytewise=True)
            assert client.code() == code
    assert len(tls_home.queued()) == 1


def test_records_may_end_anywhere(tls_home: Home, pki: Pki) -> None:
    """A record a byte, and all records at once: the end of the message is where its bytes are."""
    text = MESSAGE + b"..\r\n\r.\r\n.\r\n"
    with SmtpClient(tls_home) as client:
        client.starttls(pki.trusting())
        for pieces in ([text[at : at + 1] for at in range(len(text))], [text[:-4], text[-4:-2], text[-2:]], [text]):
            assert client.say(*ENVELOPE) == [250, 250, 354]
            for piece in pieces:
                client.send(piece)
            assert client.code() == 250
    assert [q.message.split(b"\n\n", 1)[1] for q in tls_home.queued()] == [b"body\n.\n\r.\n"] * 3


def test_a_bare_newline_inside_tls(tls_home: Home, pki: Pki) -> None:
    with SmtpClient(tls_home) as client:
        client.starttls(pki.trusting())
        assert client.say(*ENVELOPE) == [250, 250, 354]
        client.send(b"a\r\n")
        client.send(b"\n.\r\n")
        assert client.code() == 451
        assert client.rest() == b""
        assert client.wait() == 1
    assert tls_home.queued() == []


def test_speaking_before_the_greeting_inside_tls(tls_home: Home, pki: Pki) -> None:
    """DROPRUSHGREET sees also what came in the same packet as the end of the handshake."""
    with SmtpClient(tls_home, SMTPS="1", GREETDELAY="1", DROPRUSHGREET="") as client:
        client.handshake(pki.trusting(), early=b"EHLO a\r\n")
        assert client.code() == 554
        assert client.wait() == 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_clients(home: Home, pki: Pki) -> None:
    """TLS 1.1 only where control/tlsciphers says so."""
    install(home, pki.server("rsa"))
    for name in ("secure", "compat", "legacy", "insecure"):
        home.control("tlsciphers", name + "\n")
        context = pki.trusting()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
        with SmtpClient(home) as client:
            if name in ("legacy", "insecure"):
                client.starttls(context)
                assert client.secure and client.secure.version() == "TLSv1.1"
                assert client.say(b"QUIT") == [221]
            else:
                with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                    client.starttls(context)
                assert client.wait() == 1
                assert "handshake failed: unsupported protocol" in client.log
