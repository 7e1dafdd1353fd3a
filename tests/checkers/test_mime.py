"""The first lines of MIME parts that REJECTEXEC looks at, where recorded sessions say nothing (RFC 2045, 2046)."""

from __future__ import annotations

import pytest

from qmail_smtpd.checkers._mime import FirstLines, parse_content_type


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
    assert parse_content_type(value)[1] == boundary


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
