"""Addresses as MAIL and RCPT have them (SPEC section 4)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmail_smtpd.smtp.address import LONGEST, bare, has_route, is_fit, parse, size_parameter, split


@pytest.mark.parametrize(
    ("argument", "address", "parameters"),
    [
        # brackets
        (b"FROM:<a@b>", b"a@b", []),
        (b"FROM: <a@b>", b"a@b", []),
        (b"FROM:<>", b"", []),
        (b"<a@b>", b"a@b", []),
        (b"FROM:<a@b", b"a@b", []),
        (b"FROM:<", b"", []),
        (b"FROM:x<a@b>y", b"a@b", [b"y"]),
        (b"FROM:<a b@c>", b"a b@c", []),
        (b"FROM:< a@b>", b" a@b", []),
        (b"FROM:<<a@b>>", b"<a@b", [b">"]),
        # none
        (b"FROM:a@b", b"a@b", []),
        (b"FROM:  a@b", b"a@b", []),
        (b"FROM:a@b SIZE=9", b"a@b", [b"SIZE=9"]),
        (b"FROM:a@b> X", b"a@b>", [b"X"]),
        (b"FROM: ", b"", []),
        (b":a", b"a", []),
        # no address
        (b"", None, []),
        (b"FROM", None, []),
        (b"FROM:", None, []),
        (b"a@b", None, []),
        # parameters
        (b"FROM:<a@b> SIZE=9 BODY=8BITMIME", b"a@b", [b"SIZE=9", b"BODY=8BITMIME"]),
        (b"FROM:<a@b>SIZE=9", b"a@b", [b"SIZE=9"]),
        (b"FROM:<a@b>   X  Y  ", b"a@b", [b"X", b"Y"]),
        # source routes
        (b"FROM:<@x,@y:a@b>", b"a@b", []),
        (b"FROM:<@x:a:b@c>", b"a:b@c", []),
        (b"FROM:<@x>", b"", []),
        (b"FROM:<@x> Y:z", b"z", [b"Y:z"]),
        (b"FROM:<@x> SIZE=9:z", b"z", [b"SIZE=9:z"]),
        (b"FROM:@x SIZE=9:z X", b"z", [b"SIZE=9:z", b"X"]),
        (b'FROM:<@"x:a@b> SIZE=9', b"a@b", []),
        (b"FROM:<@x> SIZE=9", b"", [b"SIZE=9"]),
        (b"FROM:@x SIZE=9", b"", [b"SIZE=9"]),
        (b"FROM:<@x:> SIZE=9", b"", [b"SIZE=9"]),
        (b"FROM:@x:a@b", b"a@b", []),
        # quoting
        (rb"FROM:<a\>b@c>", b"a>b@c", []),
        (rb"FROM:<a\\b@c>", rb"a\b@c", []),
        (b'FROM:<"a b"@c>', b"a b@c", []),
        (b'FROM:<"a>b"@c> X', b"a>b@c", [b"X"]),
        (rb'FROM:<"a\"b"@c>', b'a"b@c', []),
        (b'FROM:<"a@b>', b"a@b>", []),
        (b'FROM:"a b"@c d', b"a b@c", [b"d"]),
        (b'FROM:<"">', b"", []),
        (b"FROM:<a@b\\", b"a@b", []),
        # bytes
        (b"FROM:<\xff\x01@\x80>", b"\xff\x01@\x80", []),
    ],
)
def test_parse(argument: bytes, address: bytes | None, parameters: list[bytes]) -> None:
    assert parse(argument) == (address, parameters)


def test_fit_for_an_envelope() -> None:
    assert is_fit(b"") and is_fit(b"u@example.org") and is_fit(b"x" * LONGEST)
    assert not any(map(is_fit, (b"x" * (LONGEST + 1), b"a@b\0Tc@d", b"a\n@b")))


def test_without_brackets() -> None:
    assert [bare(path) for path in (b"<a@b>", b"a@b", b"<a@b", b"<>", b"")] == [b"a@b", b"a@b", b"<a@b", b"", b""]


@pytest.mark.parametrize(("length", "fits"), [(899, True), (900, False), (5000, False)])
def test_the_longest_address(length: int, fits: bool) -> None:
    assert LONGEST == 899
    assert parse(b"FROM:<" + b"x" * length + b">")[0] == (b"x" * length if fits else None)
    assert parse(b'FROM:<"' + b"x" * length + b'">')[0] == (b"x" * length if fits else None), "quotes do not count"


def by_bytes(path: bytes, terminator: int) -> bytes:
    """The same, a byte at a time."""
    address, quoted, escaped = b"", False, False
    for byte in path:
        if escaped:
            address, escaped = address + bytes([byte]), False
        elif byte == terminator and not quoted:
            break
        elif byte == ord("\\"):
            escaped = True
        elif byte == ord('"'):
            quoted = not quoted
        else:
            address += bytes([byte])
    return address


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet='ab<>@:\\" ', max_size=20).map(str.encode))
def test_like_a_byte_at_a_time(text: bytes) -> None:
    before, bracket, path = text.partition(b"<")
    found = parse(text)[0]
    if not bracket:
        before, colon, path = text.partition(b":")
        if not colon or not path:
            assert found is None
            return
        path = path.lstrip(b" ")
    if path.startswith(b"@"):
        path = path.partition(b":")[2]
    assert found == by_bytes(path, ord(">") if bracket else ord(" "))


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        (b"a@b", (b"a", b"b")),
        (b"a@b@c", (b"a@b", b"c")),
        (b"a@", (b"a", b"")),
        (b"@b", (b"", b"b")),
        (b"a", (b"a", None)),
        (b"", (b"", None)),
    ],
)
def test_split(address: bytes, parts: tuple[bytes, bytes | None]) -> None:
    assert split(address) == parts


@pytest.mark.parametrize(
    ("address", "routed"),
    [
        (b"a@b", False),
        (b"a@b!c", False),
        (b"a@b%c", False),
        (b"", False),
        (b"a%b@c", True),
        (b"a!b@c", True),
        (b"a@b@c", True),
        (b"a%b", True),
    ],
)
def test_has_route(address: bytes, routed: bool) -> None:
    assert has_route(address) == routed


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ([], None),
        ([b"SIZE=5"], 5),
        ([b"size=5"], 5),
        ([b"BODY=8BITMIME", b"SIZE=5"], 5),
        ([b"SIZE=5x"], 5),
        ([b"SIZE="], None),
        ([b"SIZE"], None),
        ([b"SIZE=x"], None),
        ([b"SIZE=-5"], None),
        ([b"SIZE=0"], 0),
        ([b"SIZE=5", b"SIZE=7"], 5),
        ([b"SIZE=18446744073709551616"], (1 << 64) - 1),
        ([b"SIZE=" + b"9" * 5000], (1 << 64) - 1),
    ],
)
def test_size_parameter(parameters: list[bytes], size: int | None) -> None:
    assert size_parameter(parameters) == size
