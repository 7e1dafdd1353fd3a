"""DKIM results (RFC 6376; SPEC section 17): every result from what brings it about, by messages signed here."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from qmail_smtpd.mailauth import dkim
from qmail_smtpd.mailauth.dns import NoSuchName, Temporary
from qmail_smtpd.mailauth.results import Result

from . import signer
from .signer import Field

NOW = 1_800_000_000
NAME = b"one._domainkey.example.org"
FIELDS = [(b"From", b" A <a@example.org>"), (b"To", b" b@example.net"), (b"Subject", b"  Two\n\t lines ")]
BODY = b"Hello,  world \n\nthis is\tit.\n\n\n"


@cache
def key(kind: str = "rsa", bits: int = 1024) -> signer.Private:
    return signer.private_key(kind, bits)


def record(more: str = "v=DKIM1; ") -> bytes:
    return signer.record(key(), more)


def verify(fields: list[Field], body: bytes = BODY, records: Any = None, now: float = NOW) -> list[Result]:
    answers = [record()] if records is None else records
    return dkim.verify(fields, lambda: [body[:7], body[7:]], signer.zone({NAME: answers}), now)


def outcome(field: Field, body: bytes = BODY, records: Any = None, now: float = NOW) -> tuple[str, str]:
    (result,) = verify([field, *FIELDS], body, records, now)
    return result.value, result.reason


def shown(result: Result, tag: str) -> bytes:
    return dict(result.properties)[f"header.{tag}"]


def signed(**options: Any) -> Field:
    return signer.signature(FIELDS, BODY, key(), **options)


# pass


@pytest.mark.parametrize(
    "c", ["simple", "relaxed", "simple/simple", "simple/relaxed", "relaxed/simple", "Relaxed/RELAXED"]
)
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_forms_and_algorithms(c: str, kind: str) -> None:
    one = key(kind)
    form = c if c[0] != "R" else c.lower()
    field = signer.signature(FIELDS, BODY, one, c=form)
    assert outcome(field, records=[signer.record(one)]) == ("pass", "")


def test_the_form_is_simple_unless_said() -> None:
    assert outcome(signed(c="simple/simple", drop="c")) == ("pass", "")


@pytest.mark.parametrize(
    "layout",
    [" {};b={}", "{};\n b={};", " b={1};\n\t {0} ;\n", " {};\n\tb \t= \n {} \n\t;z=x|y", ";; {};b={};;"],
)
def test_b_may_stand_anywhere(layout: str) -> None:
    for c in ("simple/simple", "relaxed/relaxed"):
        assert outcome(signed(c=c, layout=layout)) == ("pass", "")


def test_bits_and_pkcs1() -> None:
    for bits in (1024, 1025, 2048, 4096):
        big = key("rsa", bits)
        field = signer.signature(FIELDS, BODY, big)
        for pkcs1 in (False, True):
            assert outcome(field, records=[signer.record(big, pkcs1=pkcs1)]) == ("pass", "")


@pytest.mark.parametrize("body", [b"", b"\n", b"\n\n\n", b" \n", b"x", b"x\n \n", b".\n..\n"])
def test_bodies(body: bytes) -> None:
    for c in ("relaxed/simple", "relaxed/relaxed"):
        field = signer.signature(FIELDS, body, key(), c=c)
        assert outcome(field, body) == ("pass", "")


def test_without_any_header_but_its_own() -> None:
    assert [r.value for r in verify([signer.signature([], BODY, key())])] == ["pass"]


def test_fields_of_one_name_are_taken_from_the_bottom_up() -> None:
    fields = [*FIELDS, (b"to", b" second"), (b"TO ", b" third")]
    field = signer.signature(fields, BODY, key(), h="to:from:to:To:TO:nothing")
    assert verify([field, *fields])[0].value == "pass"
    assert verify([field, (b"To", b" on top"), *fields])[0].value == "fail"  # one more was signed than there was
    field = signer.signature(fields, BODY, key(), h="from:to")
    assert verify([(b"To", b" on top"), field, *fields])[0].value == "pass"


def test_other_signatures_may_be_signed() -> None:
    first = signed()
    second = signer.signature([first, *FIELDS], BODY, key(), h="from:dkim-signature")
    for fields in ([second, first, *FIELDS], [first, second, *FIELDS]):
        assert [r.value for r in verify(fields)] == ["pass", "pass"]


def test_several_keys_of_one_name() -> None:
    other = signer.record(signer.private_key())
    assert outcome(signed(), records=[b"v=spf1 -all", other, record(), b"p="]) == ("pass", "")
    assert outcome(signed(), records=[other]) == ("fail", "the signature is wrong")
    (result,) = verify([signed(), *FIELDS], records=[other, record()])
    assert result.record == record()


# fail


def test_changes() -> None:
    for c in ("simple/simple", "relaxed/relaxed"):
        field = signed(c=c)
        assert outcome(field, BODY + b"x") == ("fail", "the body has changed")
        assert outcome(field, b"\n" + BODY) == ("fail", "the body has changed")
        changed = [(name, value + b"x") for name, value in FIELDS]
        assert [(r.value, r.reason) for r in verify([field, *changed])] == [("fail", "the signature is wrong")]
    assert outcome(signed(c="relaxed/relaxed"), BODY.replace(b" ", b" \t") + b"\n \n") == ("pass", "")
    assert outcome(signed(c="simple/simple"), BODY.replace(b" ", b" \t")) == ("fail", "the body has changed")


def test_a_signature_of_another_length() -> None:
    name, value = signed()
    at = value.index(b"b=", value.index(b"bh=") + 3) + 2
    assert outcome((name, value[:at] + b"AAAA")) == ("fail", "the signature is wrong")
    assert outcome((name, value[:at] + b"AAAA" * 1000)) == ("fail", "the signature is wrong")


# l=


@pytest.mark.parametrize("length", [0, 1, 7, 20])
def test_text_behind_the_length_is_not_signed(length: int) -> None:
    for c in ("relaxed/simple", "relaxed/relaxed"):
        field = signed(c=c, l=length)
        assert outcome(field) == outcome(field, BODY + b"more\n") == ("pass", "")
        if length:
            assert outcome(field, b"X" + BODY[1:]) == ("fail", "the body has changed")


@pytest.mark.parametrize("more", [1, 10**20])
def test_a_body_shorter_than_its_length_never_passes(more: int) -> None:
    for c in ("relaxed/simple", "relaxed/relaxed"):
        whole = len(signer.canonical_body(c[8:], BODY))
        assert outcome(signed(c=c, l=whole)) == ("pass", "")
        assert outcome(signed(c=c, length_said=whole + more)) == ("fail", "the body is shorter than l=")


def test_lengths_and_forms_are_hashed_together() -> None:
    """One reading of the body for all."""
    fields = [signed(c=f"relaxed/{form}", l=length) for form in ("simple", "relaxed") for length in (None, 3, 9, None)]
    read = []

    def body() -> list[bytes]:
        read.append(1)
        return [BODY]

    results = dkim.verify([*fields, *FIELDS], body, signer.zone({NAME: [record()]}), NOW)
    assert [r.value for r in results] == ["pass"] * 8
    assert len(read) == 1


def test_a_body_is_not_read_for_a_wrong_signature() -> None:
    field = signed()[0], signed()[1].replace(b"d=example.org", b"d=Example.org")

    def body() -> list[bytes]:
        raise AssertionError("read")

    assert [r.value for r in dkim.verify([field, *FIELDS], body, signer.zone({NAME: [record()]}), NOW)] == ["fail"]


# Fields


def changed(old: bytes, new: bytes, **options: Any) -> Field:
    name, value = signed(**options)
    assert old in value
    return name, value.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "result", "reason"),
    [
        (b"v=1", b"v=2", "permerror", "v= is not 1"),
        (b"v=1", b"v=", "permerror", "v= is missing"),
        (b"v=1", b"v=1; v=1", "permerror", "v= is there twice"),
        (b"h=From", b"h=Date", "permerror", "h= does not name From"),
        (b"s=one", b"s=one; i=@example.com", "permerror", "i= is not of the domain in d="),
        (b"s=one", b"s=one; i=x@badexample.org", "permerror", "i= is not of the domain in d="),
        (b"s=one", b"s=one; q=http/x", "permerror", "q= knows no way to a key that we know"),
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
        (b"h=From", b"h=:From", "neutral", "h= cannot be read"),
        (b"bh=", b"bh=!", "neutral", "bh= cannot be read"),
        (b"\tb=", b"\tb=\r", "neutral", "b= cannot be read"),
        (b"s=one", b"s=one; l=-1", "neutral", "l= cannot be read"),
        (b"s=one", b"s=one; l=" + b"9" * 77, "neutral", "l= cannot be read"),
        (b"s=one", b"s=one; t=now", "neutral", "t= cannot be read"),
        (b"s=one", b"s=one; x=\xb2", "neutral", "x= cannot be read"),
        (b"a=rsa-sha256", b"a=rsa-sha1", "policy", "rsa-sha1 is not to be trusted"),
    ],
)
def test_fields_that_cannot_be_used(old: bytes, new: bytes, result: str, reason: str) -> None:
    """No key is asked for."""
    asked = AssertionError("asked")
    assert outcome(changed(old, new), records=asked) == (result, reason)


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
    (result,) = verify([changed(b"d=example.org", b'd=";x'), *FIELDS])
    assert result.domain == b""
    assert "header.d" not in dict(result.properties)


def test_names_with_other_letters() -> None:
    """In mail with SMTPUTF8 they may be as they are; the DNS knows them in ASCII (RFC 8616)."""
    field = signed(d="b\u00fccher.example", s="\u00e4", more="i=x@sub.B\u00dcCHER.example")
    asked: list[bytes] = []
    lookup = counting({b"xn--4ca._domainkey.xn--bcher-kva.example": [record()]}, asked)
    (result,) = dkim.verify([field, *FIELDS], lambda: [BODY], lookup, NOW)
    assert (result.value, result.domain, shown(result, "s")) == ("pass", b"xn--bcher-kva.example", b"xn--4ca"), asked


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
        (b"p=P; v=DKIM1", "permerror", "the record is not a key of DKIM1"),
        (b"v=DKIM1; k=ed25519; p=P", "permerror", "the key is for another algorithm"),
        (b"v=DKIM1; h=sha1; p=P", "permerror", "the key is not for sha256"),
        (b"v=DKIM1; s=other; p=P", "permerror", "the key is not for mail"),
        (b"v=DKIM1; p=P; p=P", "permerror", "key record: p= is there twice"),
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
    tries = "the domain only tries DKIM out"
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
    assert outcome(field, records=AssertionError("asked")) == ("permerror", "no key has a name this long")


def test_ten_thousand_records() -> None:
    other = signer.record(signer.private_key())
    assert outcome(signed(), records=[other] * 10_000 + [record()]) == ("fail", "the signature is wrong")


# Many signatures


def counting(records: dict[bytes, Any], asked: list[bytes]) -> Callable[[bytes, str], list[Any]]:
    known = signer.zone(records)

    def lookup(name: bytes, rtype: str) -> list[Any]:
        asked.append(name)
        return known(name, rtype)

    return lookup


def test_unsigned() -> None:
    assert verify(FIELDS) == []


def test_the_first_eight_from_the_top() -> None:
    fields = [signed(s=f"s{number}") for number in range(12)]
    asked: list[bytes] = []
    lookup = counting({f"s{n}._domainkey.example.org".encode(): [record()] for n in range(12)}, asked)
    results = dkim.verify([*FIELDS, *fields], lambda: [BODY], lookup, NOW)
    assert [(r.value, shown(r, "s")) for r in results] == [("pass", f"s{number}".encode()) for number in range(8)]
    assert asked == [f"s{number}._domainkey.example.org".encode() for number in range(8)]


def test_a_key_is_asked_for_once() -> None:
    asked: list[bytes] = []
    fields = [signed(l=length) for length in range(5)]
    results = dkim.verify([*fields, *FIELDS], lambda: [BODY], counting({NAME: [record()]}, asked), NOW)
    assert [r.value for r in results] == ["pass"] * 5
    assert asked == [NAME]


def test_each_has_its_own_result() -> None:
    elliptic = key("ed25519")
    fields = [
        signed(),
        signer.signature(FIELDS, BODY, elliptic, s="two"),
        signer.signature(FIELDS, b"other", key()),
        changed(b"v=1", b"v"),
        signed(s="none"),
    ]
    lookup = signer.zone({NAME: [record()], b"two._domainkey.example.org": [signer.record(elliptic)]})
    results = dkim.verify([*fields, *FIELDS], lambda: [BODY], lookup, NOW)
    assert [r.value for r in results] == ["pass", "pass", "fail", "neutral", "permerror"]


def test_signatures_that_begin_alike_are_told_apart() -> None:
    name, value = signed()
    at = value.index(b"b=", value.index(b"bh=") + 3) + 2
    twin = name, value[: at + 12] + (b"B" if value[at + 12 : at + 13] == b"A" else b"A") + value[at + 13 :]
    one, other = (shown(r, "b") for r in verify([(name, value), twin, *FIELDS]))
    assert len(one) == len(other) == 13
    assert one[:12] == other[:12]
    assert [len(shown(r, "b")) for r in verify([(name, value), (name, value), *FIELDS])] == [8, 8]
