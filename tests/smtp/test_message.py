"""From the wire to what is stored: blocks, held against a receiver that goes byte by byte (SPEC section 6)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmail_smtpd.smtp.events import EndOfMessage, MessageBlock, Violation
from qmail_smtpd.smtp.message import LONGEST_HEADER, MessageReader

from ..support.naive import Message, Trouble, Unfinished, receive


def read(pieces: list[bytes]) -> tuple[Message | Trouble | Unfinished, list[MessageBlock], MessageReader]:
    """What the reader makes of input that comes in pieces."""
    reader, buffer, blocks = MessageReader(), bytearray(), []
    for number, piece in enumerate(pieces):
        buffer += piece
        while (event := reader.read(buffer)) is not None:
            if isinstance(event, MessageBlock):
                blocks.append(event)
            elif isinstance(event, Violation):
                assert event.reply.hangup
                return Trouble(event.reply.code), blocks, reader
            else:
                assert isinstance(event, EndOfMessage)
                text = b"".join(block.block for block in blocks)
                assert event.size == len(text)
                return Message(text, bytes(buffer) + b"".join(pieces[number + 1 :])), blocks, reader
    return Unfinished(), blocks, reader


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\n"),
        (b"a\r\n.\r\n", b"a\n"),
        (b"a: b\r\n\r\nc\r\n.\r\n", b"a: b\n\nc\n"),
        (b"..\r\n.\r\n", b".\n"),
        (b"...a\r\n.\r\n", b"..a\n"),
        (b".a\r\n.\r\n", b"a\n"),
        (b"\r\n..\r\n.\r\n", b"\n.\n"),
        (b"\r\n.a\r\n.\r\n", b"\na\n"),
        (b"a.\r\n.\r\n", b"a.\n"),
        (b"\r\na\rb\r\n.\r\n", b"\na\rb\n"),
        (b"\r\na\r\r\n.\r\n", b"\na\r\n"),
        (b"\r\n.\rx\r\n.\r\n", b"\n.\rx\n"),
        (b"\0\xff\r\n.\r\n", b"\0\xff\n"),
        (b"\r\n\r\n\r\n.\r\n", b"\n\n\n"),
        (b"x" * 9998 + b"\r\n.\r\n", b"x" * 9998 + b"\n"),
        (b"\r\n" + b"x" * 50_000 + b"\r\n.\r\n", b"\n" + b"x" * 50_000 + b"\n"),
    ],
)
def test_stored(raw: bytes, stored: bytes) -> None:
    assert receive(raw + b"QUIT\r\n") == Message(stored, b"QUIT\r\n"), "the yardstick itself"
    for pieces in ([raw + b"QUIT\r\n"], [bytes([byte]) for byte in raw + b"QUIT\r\n"]):
        assert read(pieces)[0] == Message(stored, b"QUIT\r\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"\n",
        b"a\n",
        b"\n.\r\n",
        b"a\r\n.\n",
        b"a\n.\n",
        b"\r\na\nb\r\n.\r\n",
        b"\r\n\n",
        b"\r\n.\n",
        b"\r\n\r\n\n.\r\n",
        b".\n",
    ],
)
def test_a_bare_lf_is_the_end_of_it(raw: bytes) -> None:
    for pieces in ([raw], [bytes([byte]) for byte in raw]):
        assert read(pieces)[0] == Trouble(451)


@pytest.mark.parametrize("tail", [b"", b".", b".\r", b"\r", b"\r\n.\r", b"\r\n.", b"\r\n", b"\r.\r\n", b".\r\r\n"])
def test_not_the_end(tail: bytes) -> None:
    assert isinstance(read([b"a: b\r\n\r\nbody" + tail])[0], Unfinished)


@pytest.mark.parametrize("length", [9998, 9999, 20_000])
@pytest.mark.parametrize("first", [b"", b"a: b\r\n"])
def test_the_longest_header_line(length: int, first: bytes) -> None:
    """10,000 bytes with its CRLF are allowed; a byte more is trouble, whether or not its end has come."""
    fits = length + 2 <= LONGEST_HEADER == 10_000
    line = first + b"x" * length
    for raw in ([line + b"\r\n.\r\n"], [bytes([byte]) for byte in line + b"\r\n.\r\n"]):
        assert (read(raw)[0] == Trouble(500)) is not fits
    assert (read([line + b"xx"])[0] == Trouble(500)) is (length + 2 > LONGEST_HEADER)


@pytest.mark.parametrize(
    ("lines", "hops"),
    [
        ([b"Received: x"], 1),
        ([b"RECEIVED", b"delivered-to: y", b"Delivered"], 3),
        ([b" Received: folded", b"X-Received: no", b"Receive: no", b"deliver: no"], 0),
        ([b".Received: stuffed"], 0),
        ([b"ReceivedX: also"], 1),
    ],
)
def test_hops(lines: list[bytes], hops: int) -> None:
    text = b"".join(line + b"\r\n" for line in lines)
    for raw in (text + b".\r\n", text + b"\r\nReceived: in the body\r\n.\r\n"):
        for pieces in ([raw], [bytes([byte]) for byte in raw]):
            assert read(pieces)[2].hops == hops


def test_blocks_never_hold_header_and_body() -> None:
    _, blocks, _ = read([b"a: b\r\nc: d\r\n\r\nbody\r\n.\r\n"])
    assert [(block.header, block.block) for block in blocks] == [(True, b"a: b\nc: d\n\n"), (False, b"body\n")]


def test_little_is_held_back() -> None:
    """What came in is handed on at once, up to a header line or four bytes of the body."""
    reader, buffer = MessageReader(), bytearray(b"a: b\r\n\r\n" + b"x" * 100_000)
    handed_on = 0
    while (event := reader.read(buffer)) is not None:
        assert isinstance(event, MessageBlock)
        handed_on += len(event.block)
    assert len(buffer) <= 4
    assert handed_on >= 100_000


tokens = st.sampled_from(
    [
        b".",
        b"\r",
        b"\n",
        b"\r\n",
        b"a",
        b"\r\n.\r\n",
        b"\r\n.",
        b"..",
        b"\r\n\r\n",
        b"Received: x\r\n",
        b"\0",
        b".\r",
        b"text",
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(tokens, max_size=25).map(b"".join), st.lists(st.integers(1, 6), max_size=40))
def test_like_a_byte_at_a_time(raw: bytes, lengths: list[int]) -> None:
    expected = receive(raw)
    pieces, at = [], 0
    for length in lengths:
        pieces.append(raw[at : at + length])
        at += length
    for cut in ([raw], [*pieces, raw[at:]]):
        assert read(cut)[0] == expected


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and b"\r" not in line), max_size=60))
def test_a_message_comes_back_as_it_was(lines: list[bytes]) -> None:
    """What a proper client sends, dots doubled, is stored as what it meant."""
    raw = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"
    assert read([raw])[0] == Message(b"".join(line + b"\n" for line in lines), b"")
