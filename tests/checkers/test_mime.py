"""The first lines of MIME parts that REJECTEXEC looks at, where recorded sessions say nothing (RFC 2045, 2046)."""

from __future__ import annotations

import pytest

from qmail_smtpd.checkers._boundaries import boundaries
from qmail_smtpd.checkers._mime import DEEPEST, MOST_CONTENT_TYPE, FirstLines


def first_lines(message: bytes, cut: int = 1 << 20) -> list[bytes]:
    reader = FirstLines()
    blocks = (message[at : at + cut] for at in range(0, len(message), cut))
    return [line for block in blocks for line in reader.feed(block)]


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        (b' multipart/mixed; name="a; boundary=fake"; boundary=real', b"real"),
        (b' multipart/mixed; name="a\\"; boundary=fake"; boundary=real', b"real"),
        (b" multipart/mixed (a (b) ; boundary=fake); boundary=real", b"real"),
        (b" multipart/mixed (\\) ; boundary=fake); boundary=real", b"real"),
        (b' multipart/mixed (" ; boundary=fake); boundary=real', b"real"),
        (b' multipart/mixed; boundary="a (b)"', b"a (b)"),
        (b" multipart/mixed; boundary=a(b)c", b"ac"),
        (b' multipart/mixed; name="never closed; boundary=real', b"real"),
        (b" multipart/mixed; x=(never closed; boundary=real", b"real"),
        (b" multipart/mixed; x=y)z; boundary=real", b"real"),
        (b" multipart/mixed", None),
        (b"", None),
    ],
)
def test_boundary_of_a_content_type(value: bytes, boundary: bytes | None) -> None:
    """By the book; where it is none, as lenient as it takes."""
    assert next(iter(boundaries(value)), None) == boundary


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b' multipart/mixed; boundary="b"', {b"b"}),
        (b" multipart/mixed; charset=x; BOUNDARY=b1_=x", {b"b1_=x"}),
        (b" multipart/mixed boundary=b1", {b"b1"}),
        (b' multipart/mixed; boundary=b1"', {b"b1", b'b1"'}),
        (b' multipart/mixed; boundary="a\\b"', {b"ab", b"a\\b"}),
        (b" multipart/mixed; boundary=a(b)c", {b"ac", b"a(b)c", b"a"}),
        (b' multipart/mixed; name="a; boundary=fake"; boundary=real', {b"real", b"fake", b'fake"'}),
        (b" multipart/mixed; boundary=a; boundary=b", {b"a", b"b"}),
        (b' multipart/mixed; boundary*0="b1"; boundary*1="b2"', {b"b1b2"}),
        (b" multipart/mixed; boundary*1=b2; boundary*0=b1", {b"b1b2"}),
        (b" multipart/mixed; boundary*=us-ascii''b%31%zz", {b"b1%zz"}),
        (b" multipart/mixed; boundary*0*=us-ascii'en'b%31; boundary*1*=%32; boundary*2=3", {b"b123"}),
        (b' multipart/mixed; boundary=""', {b""}),
        (b" text/plain; name=boundary", set()),
    ],
)
def test_every_reading(value: bytes, expected: set[bytes]) -> None:
    assert set(boundaries(value)) == expected


def test_readings_are_bounded() -> None:
    assert len(boundaries(b" multipart/mixed; " + b"; ".join(b"boundary=b%d" % n for n in range(5000)))) == 16


NEVER_CLOSED = b"""\
Content-Type: multipart/mixed; boundary=outer

prologue
--outer
Content-Type: multipart/alternative; boundary=inner

prologue of the inner one
--inner

text
--outer

payload
--outer--

after it
"""


@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_outer_boundary_ends_an_inner_multipart_that_never_ended(cut: int) -> None:
    expected = [b"prologue", b"prologue of the inner one", b"text", b"payload"]
    assert first_lines(NEVER_CLOSED, cut) == expected


def test_inner_boundary_wins_where_the_outer_one_is_its_beginning() -> None:
    message = NEVER_CLOSED.replace(b"boundary=outer", b"boundary=in").replace(b"--outer", b"--in")
    assert b"text" in first_lines(message)


# Where a header has more than one reading

PART = b"\nContent-Type: application/octet-stream\n\nTVqQ\n"


@pytest.mark.parametrize(
    "header",
    [
        b'Content-Type: multipart/mixed; boundary="b"\nContent-Type: text/plain\n',
        b'Content-Type: text/plain\nContent-Type: multipart/mixed; boundary="b"\n',
        b'Content-Type : multipart/mixed; boundary="b"\n',
        b"Content-Type:\n multipart/mixed;\n\tboundary=\n b\n",
        b"Content-Type: multipart/mixed;\n" + (b" x=" + b"y" * 90 + b";\n") * 100 + b" boundary=b\n",
    ],
)
@pytest.mark.parametrize("cut", [1, 1 << 20])
def test_the_part_is_found(header: bytes, cut: int) -> None:
    assert b"TVqQ" in first_lines(header + b"\n--b" + PART + b"--b--\n", cut)


def test_no_reading_ends_another() -> None:
    """One that is wrong cannot be used to hide a part of the one that is right."""
    header = b'Content-Type: multipart/mixed; x="; boundary=fake"; boundary=real\n\n'
    for first in (b"--fake--\n", b"--fake\n\n", b"--fake\n", b"--real--\n", b"--fake\nX: y\n"):
        assert b"TVqQ" in first_lines(header + first + b"--real" + PART), first


def test_a_message_that_may_be_one_or_not() -> None:
    message = b"Content-Type: text/plain\nContent-Type: message/rfc822\n\nTVqQ\n"
    assert first_lines(message)[0] == b"TVqQ"
    assert b"TVqQ" in first_lines(message.replace(b"TVqQ", b"Subject: x\n\nTVqQ"))


def test_what_is_beyond_it_says() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=d%d\n\n--d%d\n" % (n, n) for n in range(DEEPEST + 1))
    long = b"Content-Type: text/plain;\n" + b" x=%b\n" % (b"y" * 1000) * (MOST_CONTENT_TYPE // 1000 + 1)
    for message, beyond in ((deep, True), (long + b"\n", True), (NEVER_CLOSED, False), (b"\n", False)):
        reader = FirstLines()
        reader.feed(message)
        assert reader.over_limit == beyond


def test_a_twin_goes_its_own_way() -> None:
    reader = FirstLines()
    reader.feed(b"Content-Type: multipart/mixed;\n")
    twin = reader.twin()
    assert twin.feed(b" boundary=b\n\n--b\n\nTVqQ\n") == [b"--b", b"TVqQ"]
    assert reader.feed(b"\nx\n") == [b"x"]
