"""DKIM: key records with every tag, damaged keys, and what the DNS may say (RFC 6376 sections 3.6.1 and 6.1.2)."""

from __future__ import annotations

import base64

import pytest

from qmail_smtpd.mailauth.dns import NoSuchName, Temporary

from . import signer
from .dkim_case import key, outcome, record, signed

# Keys


@pytest.mark.parametrize(
    "more",
    [
        "",
        "v=DKIM1;",
        "v=DKIM1; h=sha1:sha256; ",
        "s=email;",
        "s=other : * ;",
        "t=s:x;",
        "n=note=with=signs;",
        "g=x;",
        "h= SHA256;",
    ],
)
def test_key_records(more: str) -> None:
    assert outcome(signed(), records=[record(more)]) == ("pass", "")


def test_k_is_rsa_unless_said_and_blanks_in_p_do_not_matter() -> None:
    p = signer.public_key(key())
    assert outcome(signed(), records=[b"p=" + p]) == ("pass", "")
    assert outcome(signed(), records=[b"p=" + p + b"; v=DKIM1"]) == ("pass", "")
    assert outcome(signed(), records=[b" p = " + p[:9] + b"\n\t " + p[9:] + b" ;"]) == ("pass", "")


@pytest.mark.parametrize(
    ("text", "result", "reason"),
    [
        (b"v=DKIM1; k=rsa; p=", "permerror", "the key is revoked"),
        (b"v=DKIM1; k=rsa", "permerror", "the key cannot be read"),
        (b"v=DKIM1; p=!!!!", "permerror", "the key cannot be read"),
        (b"v=DKIM1; p=AAAA", "permerror", "the key cannot be read"),
        (b"v=DKIM1; p=MA==", "permerror", "the key cannot be read"),
        (b"v=DKIM2; p=P", "permerror", "the record is not a key of DKIM1"),
        (b"v=dkim1; p=P", "permerror", "the record is not a key of DKIM1"),
        (b"p=P; v=DKIM2", "permerror", "the record is not a key of DKIM1"),
        (b"v=DKIM1; k=ed25519; p=P", "permerror", "the key is for another algorithm"),
        (b"v=DKIM1; h=sha1; p=P", "permerror", "the key is not for sha256"),
        (b"v=DKIM1; s=other; p=P", "permerror", "the key is not for mail"),
        (b"v=DKIM1; p=P; p=P", "permerror", "key record: p= occurs twice"),
        (b"hello", "permerror", "key record: not a list of tags"),
        (b"\xff\x00", "permerror", "key record: not a list of tags"),
        (b"", "permerror", "the key cannot be read"),
    ],
)
def test_keys_that_cannot_be_used(text: bytes, result: str, reason: str) -> None:
    assert outcome(signed(), records=[text.replace(b"=P", b"=" + signer.public_key(key()))]) == (result, reason)


# Byte 16 and 17 are the parameters of the algorithm, a NULL that says nothing.
@pytest.mark.parametrize("at", [*range(16), *range(18, 162)])
def test_damaged_keys(at: int) -> None:
    """Whatever byte of the DER is changed, there is a result and no pass."""
    der = bytearray(base64.b64decode(signer.public_key(key())))
    for change in (0x80, 0x7F, 0x01):
        der[at] ^= change
        result, _ = outcome(signed(), records=[b"p=" + base64.b64encode(der)])
        assert result in ("permerror", "fail", "policy")
        result, _ = outcome(signed(), records=[b"p=" + base64.b64encode(der[:at])])
        assert result == "permerror"


def test_an_rsa_key_must_not_be_small() -> None:
    small = (1 << 1022) + 1
    der = _der(0x30, _der(0x02, b"\0" + small.to_bytes(128, "big")) + _der(0x02, b"\1\0\1"))
    assert outcome(signed(), records=[b"p=" + base64.b64encode(der)]) == ("policy", "an RSA key of 1023 bits")


def _der(tag: int, contents: bytes) -> bytes:
    size = len(contents)
    return bytes([tag, *([size] if size < 128 else [0x82, size >> 8, size & 255])]) + contents


def test_a_key_for_its_domain_only() -> None:
    only = [record("v=DKIM1; t=s; ")]
    assert outcome(signed(more="i=x@Example.org"), records=only) == ("pass", "")
    assert outcome(signed(more="i=@sub.example.org"), records=only) == ("permerror", "the key is not for subdomains")


def test_a_domain_that_tries_dkim_out() -> None:
    tries = "the domain is only testing DKIM"
    for more in ("v=DKIM1; t=y; ", "v=DKIM1; t=s:y; "):
        assert outcome(signed(), records=[record(more)]) == ("pass", tries)
        assert outcome(signed(), b"other", records=[record(more)]) == ("fail", f"the body has changed, {tries}")


# The DNS


def test_answers() -> None:
    assert outcome(signed(), records=NoSuchName()) == ("permerror", "there is no key")
    assert outcome(signed(), records=[]) == ("permerror", "there is no key")
    assert outcome(signed(), records=Temporary("SERVFAIL")) == ("temperror", "SERVFAIL")


def test_a_name_too_long_is_not_asked_for() -> None:
    long = ".".join(["x" * 60] * 4)
    field = signed(d=long)
    assert outcome(field, records=AssertionError("asked")) == ("permerror", "the name of its key is too long")


def test_ten_thousand_records() -> None:
    other = signer.record(signer.private_key())
    assert outcome(signed(), records=[other] * 10_000 + [record()]) == ("fail", "the signature is wrong")
