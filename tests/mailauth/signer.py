"""Messages signed as a test wants it, right or wrong, and the DNS that knows the keys. Not the code under test:
canonical forms are made naively here, of whole texts (RFC 6376 section 3.4)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from qmail_smtpd.mailauth.dns import NoSuchName

Field = tuple[bytes, bytes]
Private = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def split(message: bytes) -> tuple[list[Field], bytes]:
    """Fields and body of a message with LF line ends."""
    header, _, body = message.partition(b"\n\n")
    lines = re.split(rb"\n(?![ \t])", header)
    return [(name, value) for name, _, value in (line.partition(b":") for line in lines)], body


def joined(fields: list[Field], body: bytes) -> bytes:
    return b"".join(name + b":" + value + b"\n" for name, value in fields) + b"\n" + body


def zone(records: Mapping[bytes, Any]) -> Callable[[bytes, str], list[Any]]:
    """A lookup that knows TXT records, or raises what stands for them."""

    def lookup(name: bytes, rtype: str) -> list[Any]:
        assert rtype == "TXT"
        found = records.get(name.lower(), NoSuchName())
        if isinstance(found, Exception):
            raise found
        return list(found)

    return lookup


# Canonical forms


def canonical_body(form: str, body: bytes) -> bytes:
    text = body.replace(b"\n", b"\r\n")
    if text and not text.endswith(b"\r\n"):
        text += b"\r\n"
    if form == "relaxed":
        text = re.sub(rb"[ \t]+", b" ", text).replace(b" \r\n", b"\r\n")
    while text.endswith(b"\r\n\r\n"):
        text = text[:-2]
    if text in (b"", b"\r\n"):
        return b"" if form == "relaxed" else b"\r\n"
    return text


def canonical_field(form: str, name: bytes, value: bytes) -> bytes:
    if form == "simple":
        return name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n"
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\n", b""))
    return name.strip().lower() + b":" + unfolded.strip(b" ") + b"\r\n"


# Signatures


def private_key(kind: str = "rsa", bits: int = 1024) -> Private:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, bits)


def public_key(key: Private, pkcs1: bool = False) -> bytes:
    """p= of a key record."""
    der, public = serialization.Encoding.DER, key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return base64.b64encode(public.public_bytes_raw())
    form = serialization.PublicFormat.PKCS1 if pkcs1 else serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(public.public_bytes(der, form))


def record(key: Private, more: str = "v=DKIM1; ", *, pkcs1: bool = False) -> bytes:
    kind = "ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else "rsa"
    return f"{more}k={kind}; p=".encode() + public_key(key, pkcs1)


def signature(
    fields: list[Field],
    body: bytes,
    key: Private,
    *,
    c: str = "relaxed/relaxed",
    h: str = "From:To:Subject",
    l: int | None = None,  # noqa: E741
    d: str = "example.org",
    s: str = "one",
    more: str = "",
    algorithm: str = "",
    layout: str = " {};\n\tb={}",
    drop: str = "",
    length_said: int | None = None,
) -> Field:
    """A DKIM-Signature for a message; `drop` names a tag to be left out, `more` is put among the tags as it is."""
    header_form, _, body_form = c.partition("/")
    canonical = canonical_body(body_form or "simple", body)[: l if l is not None else None]
    kind = "ed25519" if isinstance(key, ed25519.Ed25519PrivateKey) else "rsa"
    said = l if length_said is None else length_said
    tags = {
        "v": "1",
        "a": algorithm or f"{kind}-sha256",
        "c": c,
        "d": d,
        "s": s,
        **({"l": str(said)} if said is not None else {}),
        "h": h,
        "bh": base64.b64encode(hashlib.sha256(canonical).digest()).decode(),
    }
    text = "; ".join([*(f"{name}={value}" for name, value in tags.items() if name != drop), *([more] if more else [])])
    unsigned = re.sub(r"\s*@@\s*", "", layout.format(text, "@@")).encode()  # section 3.7: with the blanks around it
    signed = signed_header(fields, (b"DKIM-Signature", unsigned), header_form, h)
    b = base64.b64encode(_sign(key, signed)).decode()
    folded = "\n\t ".join(b[at : at + 60] for at in range(0, len(b), 60))
    return b"DKIM-Signature", layout.format(text, folded).encode()


def signed_header(fields: list[Field], own: Field, form: str, h: str) -> bytes:
    left = list(fields)
    text = b""
    for name in (part.strip().lower().encode() for part in h.split(":")):
        for field in reversed(left):
            if field[0].strip().lower() == name:
                text += canonical_field(form, *field)
                left.remove(field)
                break
    return text + canonical_field(form, *own).removesuffix(b"\r\n")


def _sign(key: Private, text: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(hashlib.sha256(text).digest())
    return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
