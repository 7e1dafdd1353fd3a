"""DKIM-signed messages and the key records for them, made by the PyPI package dkimpy and not by the code under test."""

from __future__ import annotations

import base64
from functools import cache

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SELECTOR = b"sel"


@cache
def _pair() -> tuple[bytes, bytes]:
    """A private key in PEM and the public one as p= has it."""
    key = rsa.generate_private_key(65537, 1024)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, base64.b64encode(public)


def key_record() -> str:
    """The TXT record at SELECTOR._domainkey.DOMAIN."""
    return "v=DKIM1; p=" + _pair()[1].decode()


def signed(message: bytes, domain: str, selector: bytes = SELECTOR) -> bytes:
    """The message (CRLF) with a signature of `domain` above it."""
    signature: bytes = dkim.sign(message, selector, domain.encode(), _pair()[0])
    return signature + message
