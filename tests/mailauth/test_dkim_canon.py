"""Canonical forms (RFC 6376 section 3.4): the RFC's examples, and the same whatever way a body is cut into blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.mailauth.dkim_canon import BODY, relaxed_field, simple_field

from .signer import canonical_body, canonical_field


def canonical(form: str, blocks: list[bytes]) -> bytes:
    written: list[bytes] = []
    body = BODY[form.encode()](written.append)
    for block in blocks:
        body.feed(block)
    body.finish()
    return b"".join(written)


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\n\n\n", b"\r\n", b""),
        (b" \n\t\n", b" \r\n\t\r\n", b""),
        (b" C \nD \t E\n\n\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),  # section 3.4.5
        (b"no end", b"no end\r\n", b"no end\r\n"),
        (b"blank at the end \t", b"blank at the end \t\r\n", b"blank at the end\r\n"),
        (b"a\n\n\nb\n", b"a\r\n\r\n\r\nb\r\n", b"a\r\n\r\n\r\nb\r\n"),
        (b"a \x0b\x0c \r \n", b"a \x0b\x0c \r \r\n", b"a \x0b\x0c \r\r\n"),  # no other byte is a blank
        (b"\xff\x00\n", b"\xff\x00\r\n", b"\xff\x00\r\n"),
    ],
)
def test_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert canonical("simple", [body]) == canonical_body("simple", body) == simple
    assert canonical("relaxed", [body]) == canonical_body("relaxed", body) == relaxed


BLOCKS = st.lists(st.lists(st.sampled_from([b"\n", b" ", b"\t", b"a", b"\r", b"  \n", b"\n\n"])).map(b"".join))


@given(BLOCKS)
def test_cuts_make_no_difference(blocks: list[bytes]) -> None:
    for form in ("simple", "relaxed"):
        assert canonical(form, blocks) == canonical_body(form, b"".join(blocks))


@pytest.mark.parametrize("filler", [b" ", b"\t", b"\n", b" \n", b"\t \n\n"])
@pytest.mark.parametrize("end", [b"", b"x", b"\n", b"x\n"])
def test_long_runs(filler: bytes, end: bytes) -> None:
    """Longer than a block and than what is written at once."""
    body = b"begin" + filler * 30_000 + end
    blocks = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    for form in ("simple", "relaxed"):
        assert canonical(form, blocks) == canonical_body(form, body)


@pytest.mark.parametrize(
    ("name", "value", "simple", "relaxed"),
    [
        (b"A", b" X", b"A: X\r\n", b"a:X\r\n"),  # section 3.4.5
        (b"B ", b" Y\t\n\tZ  ", b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n"),
        (b"Empty", b"", b"Empty:\r\n", b"empty:\r\n"),
        (b"Blank", b" \n \t", b"Blank: \r\n \t\r\n", b"blank:\r\n"),
        (b"X-\xc3\x84", b"\xff : b", b"X-\xc3\x84:\xff : b\r\n", b"x-\xc3\x84:\xff : b\r\n"),
    ],
)
def test_fields(name: bytes, value: bytes, simple: bytes, relaxed: bytes) -> None:
    assert simple_field(name, value) == canonical_field("simple", name, value) == simple
    assert relaxed_field(name, value) == canonical_field("relaxed", name, value) == relaxed
