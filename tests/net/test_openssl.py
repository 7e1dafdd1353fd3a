"""What ssl.SSLContext has no call for: a context that serves several clients keeps nothing of any of them (SPEC
section 22)."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qmail_smtpd.net import openssl
from qmail_smtpd.net.certificates import server_context

from ..support.certificates import Pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def shake_hands(ours: ssl.SSLContext, theirs: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLObject:
    """The client's end of a connection that both have closed."""
    to_us, to_them = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ours.wrap_bio(to_us, to_them, server_side=True)
    client = theirs.wrap_bio(to_them, to_us, server_hostname="mx.example.org", session=session)
    steps: list[Any] = [client.do_handshake, server.do_handshake]
    for step in [*steps * 3, server.unwrap, client.unwrap]:
        with suppress(ssl.SSLWantReadError):
            step()
    assert client.version() == "TLSv1.2"
    return client


@pytest.mark.parametrize("ciphers", [b"compat", b"secure", b"legacy"])
def test_no_session_is_resumed(pki: Pki, ciphers: bytes, tmp_path: Path) -> None:
    """A worker uses a context for many clients; a TLS 1.2 session could be resumed under another server name."""
    certificate = tmp_path / "cert.pem"
    certificate.write_bytes(pki.server().both)
    config: Any = SimpleNamespace(certificate=bytes(certificate), tlsciphers=ciphers, tlsdheparams=b"none")
    ours, theirs = server_context(config, pytest.fail), pki.trusting()
    theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    first = shake_hands(ours, theirs, None)
    second = shake_hands(ours, theirs, first.session)
    assert not second.session_reused
    assert ours.session_stats()["number"] == 0


def test_where_it_cannot_be_set_all_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl.sys, "implementation", SimpleNamespace(name="other"))
    openssl.keep_no_sessions(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
