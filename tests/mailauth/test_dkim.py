"""DKIM: what passes, what fails, and several signatures (RFC 6376; SPEC section 17)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qmail_smtpd.mailauth import dkim

from ..fuzz import fuzz_dkim
from . import signer
from .dkim_case import BODY, FIELDS, NAME, NOW, changed, key, outcome, record, shown, signed, verify

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
        for body in (BODY, BODY + b"more\n"):
            behind = len(signer.canonical_body(c[8:], body)) - length
            assert outcome(field, body) == ("pass", f"{behind} bytes behind l= are not signed")
        if length:
            assert outcome(field, b"X" + BODY[1:]) == ("fail", "the body has changed")


@pytest.mark.parametrize("more", [1, 10**20])
def test_a_body_shorter_than_its_length_never_passes(more: int) -> None:
    for c in ("relaxed/simple", "relaxed/relaxed"):
        whole = len(signer.canonical_body(c[8:], BODY))
        assert outcome(signed(c=c, l=whole)) == ("pass", "")
        assert outcome(signed(c=c, length_said=whole + more)) == ("fail", "the body is shorter than l= says")


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


def test_all_keys_are_asked_for_at_once() -> None:
    told: list[list[tuple[bytes, str]]] = []
    fields = [signed(), signed(s="two"), changed(b"v=1", b"v"), signed(algorithm="rsa-sha1"), *FIELDS]
    dkim.verify(fields, lambda: [BODY], signer.zone({}), NOW, told.append)
    assert told == [[(NAME, "TXT"), (b"two._domainkey.example.org", "TXT")]]


@given(st.binary())
@example(b"\x02v=DKIM1; k=ed25519; p=")
@example(b"\x01\x05;;l=99999")
@example(b"\x03dkim-signature:v=1")
def test_whatever_comes_there_is_a_result(data: bytes) -> None:
    fuzz_dkim.one_input(data)
