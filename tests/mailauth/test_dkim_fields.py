"""DKIM: fields that cannot be used, each with its result (RFC 6376 section 6.1.1; SPEC section 17)."""

from __future__ import annotations

import pytest

from qmail_smtpd.mailauth import dkim

from . import signer
from .dkim_case import BODY, FIELDS, NOW, changed, outcome, record, shown, signed, verify

# Fields


@pytest.mark.parametrize(
    ("old", "new", "result", "reason"),
    [
        (b"v=1", b"v=2", "permerror", "v= is not 1"),
        (b"v=1", b"v=", "permerror", "v= is missing"),
        (b"v=1", b"v=1; v=1", "permerror", "v= occurs twice"),
        (b"h=From", b"h=Date", "permerror", "h= does not name From"),
        (b"s=one", b"s=one; i=@example.com", "permerror", "i= is not of the domain in d="),
        (b"s=one", b"s=one; i=x@badexample.org", "permerror", "i= is not of the domain in d="),
        (b"s=one", b"s=one; q=http/x", "permerror", "q= does not have dns/txt"),
        (b"s=one", b"s=one; i=example.org", "neutral", "i= cannot be read"),
        (b"v=1", b"v", "neutral", "not a list of tags"),
        (b"v=1", b"=1", "neutral", "not a list of tags"),
        (b"v=1", b"1v=1", "neutral", "not a list of tags"),
        (b"v=1", b"v=1; x-y=1", "neutral", "not a list of tags"),
        (b"v=1", b"v=1; \xff=1", "neutral", "not a list of tags"),
        (b"a=rsa-sha256", b"a=rsa-sha512", "neutral", "a= is unknown"),
        (b"a=rsa-sha256", b"a=ed25519-sha1", "neutral", "a= is unknown"),
        (b"c=relaxed", b"c=nofws", "neutral", "c= is unknown"),
        (b"d=example.org", b"d=example..org", "neutral", "d= cannot be read"),
        (b"d=example.org", b"d=example.org.", "neutral", "d= cannot be read"),
        (b"d=example.org", b"d=" + b"x" * 64 + b".org", "neutral", "d= cannot be read"),
        (b"d=example.org", b"d=ex ample.org", "neutral", "d= cannot be read"),
        (b"d=example.org", b"d=\xff.org", "neutral", "d= cannot be read"),
        (b"s=one", b"s=o\x00ne", "neutral", "s= cannot be read"),
        (b"h=From", b"h=:", "permerror", "h= does not name From"),
        (b"bh=", b"bh=!", "neutral", "bh= cannot be read"),
        (b"\tb=", b"\tb=\r", "neutral", "b= cannot be read"),
        (b"s=one", b"s=one; l=-1", "neutral", "l= cannot be read"),
        (b"s=one", b"s=one; l=" + b"9" * 77, "neutral", "l= cannot be read"),
        (b"s=one", b"s=one; t=now", "neutral", "t= cannot be read"),
        (b"s=one", b"s=one; x=\xb2", "neutral", "x= cannot be read"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "policy", "rsa-sha1 is not trusted any more"),
    ],
)
def test_fields_that_cannot_be_used(old: bytes, new: bytes, result: str, reason: str) -> None:
    """No key is asked for."""
    asked = AssertionError("asked")
    assert outcome(changed(old, new), records=asked) == (result, reason)


def test_empty_names_of_signed_fields() -> None:
    for h in ("From:To:", ":From", "From : : To"):
        assert outcome(signed(h=h)) == ("pass", "")


@pytest.mark.parametrize("tag", ["v", "a", "d", "s", "h", "bh"])
def test_tags_that_are_missing(tag: str) -> None:
    assert outcome(signed(drop=tag), records=AssertionError("asked")) == ("permerror", f"{tag}= is missing")


@pytest.mark.parametrize("value", [b"", b" ", b"\n ", b"not a signature", b";", b"\xff\xfe\x00"])
def test_garbage(value: bytes) -> None:
    expected = "permerror" if not value.strip(b" ;\n") else "neutral"
    (result,) = verify([(b"DKIM-Signature", value), *FIELDS], records=AssertionError("asked"))
    assert result.value == expected
    assert (result.domain, result.properties) == (b"", [])


@pytest.mark.parametrize("identity", ["@example.org", "x@example.org", "@SUB.example.ORG", '"a@b"@x.y.example.org'])
def test_identities(identity: str) -> None:
    assert outcome(signed(more=f"i={identity}")) == ("pass", "")


def test_what_is_shown_of_a_signature_that_cannot_be_used() -> None:
    (result,) = verify([changed(b"c=relaxed", b"c=nofws"), *FIELDS])
    properties = dict(result.properties)
    assert len(properties.pop("header.b")) == 8
    assert properties == {"header.d": b"example.org", "header.s": b"one", "header.a": b"rsa-sha256"}
    (result,) = verify([changed(b"v=1", b"v=1; v=1"), *FIELDS])
    assert (result.value, result.domain) == ("permerror", b"example.org")
    (result,) = verify([changed(b"d=example.org", b'd=";x'), *FIELDS])
    assert result.domain == b""
    assert "header.d" not in dict(result.properties)


def test_names_with_other_letters() -> None:
    """In mail with SMTPUTF8 they may be as they are; the DNS knows them in ASCII (RFC 8616)."""
    field = signed(d="b\u00fccher.example", s="\u00e4", more="i=x@sub.B\u00dcCHER.example")
    lookup = signer.zone({b"xn--4ca._domainkey.xn--bcher-kva.example": [record()]})
    (result,) = dkim.verify([field, *FIELDS], lambda: [BODY], lookup, NOW)
    assert (result.value, result.domain, shown(result, "s")) == ("pass", b"xn--bcher-kva.example", b"xn--4ca")


# Times


@pytest.mark.parametrize(
    ("tags", "result", "reason"),
    [
        ("t=0", "pass", ""),
        (f"t={NOW}", "pass", ""),
        (f"t={NOW + 300}", "pass", ""),
        (f"t={NOW + 301}", "policy", "signed in the future"),
        (f"x={NOW}", "pass", ""),
        (f"x={NOW - 1}", "policy", "expired"),
        (f"t={NOW - 10}; x={NOW - 5}", "policy", "expired"),
        (f"t={NOW - 10}; x={NOW + 10}", "pass", ""),
        (f"x={NOW + 10}; t={NOW + 20}", "policy", "expired before it was signed"),
        (f"t={NOW + 999}; x={NOW + 10}", "policy", "signed in the future"),
    ],
)
def test_times(tags: str, result: str, reason: str) -> None:
    assert outcome(signed(more=tags)) == (result, reason)
