"""The milter codec: packets both ways, whatever is in them and however they are cut; and what is no packet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.filters import milter
from qmail_smtpd.filters.milter import ANSWERS, COMMANDS, BadPacket, Packets, pack, unpack

from ..fuzz import fuzz_milter

TABLES = (COMMANDS, ANSWERS)

strings = st.binary(max_size=40).map(lambda text: text.replace(b"\0", b""))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    milter.NUMBER: st.integers(0, 2**32 - 1),
    milter.PORT: st.integers(0, 2**16 - 1),
    milter.LETTER: st.binary(min_size=1, max_size=1),
    milter.STRING: strings,
    milter.STRINGS: st.lists(strings, min_size=1, max_size=4).map(tuple),
    milter.PAIRS: st.lists(st.tuples(strings, strings), max_size=4).map(tuple),
    milter.LISTS: st.lists(st.tuples(st.integers(0, 6), strings), max_size=7).map(tuple),
    milter.REST: st.binary(max_size=200),
}


@st.composite
def messages(draw: st.DrawFn) -> tuple[Mapping[bytes, str], bytes, tuple[Any, ...]]:
    """A table, a letter of it, and fields that may follow it."""
    table = draw(st.sampled_from(TABLES))
    letter = draw(st.sampled_from(sorted(table)))
    needed, optional, rest = table[letter].partition(milter.OPTIONAL)
    kinds = needed + rest if optional and draw(st.booleans()) else needed
    return table, letter, tuple(draw(FIELDS[kind]) for kind in kinds)


@given(messages())
def test_what_is_packed_is_unpacked(message: tuple[Mapping[bytes, str], bytes, tuple[Any, ...]]) -> None:
    table, letter, fields = message
    packed = pack(table, letter, fields)
    assert int.from_bytes(packed[:4], "big") == len(packed) - 4
    assert unpack(table, packed[4:]) == (letter, fields)


@given(st.lists(messages(), max_size=5), st.data())
def test_a_stream_may_be_cut_anywhere(several: list[Any], data: st.DataObject) -> None:
    stream = b"".join(pack(*message) for message in several)
    packets, got = Packets(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        packets.receive(stream[:cut])
        stream = stream[cut:]
        while (packet := packets.next()) is not None:
            got.append(packet)
    assert [unpack(table, packet) for (table, _, _), packet in zip(several, got, strict=True)] == [
        (letter, fields) for _, letter, fields in several
    ]


@given(st.sampled_from(TABLES), st.binary(max_size=100))
def test_any_bytes_are_a_packet_or_malformed(table: Mapping[bytes, str], packet: bytes) -> None:
    """And what is a packet is packed to the same bytes again: there is one way to write each."""
    try:
        letter, fields = unpack(table, packet)
    except BadPacket as trouble:
        assert isinstance(trouble.args[0], bytes)
    else:
        assert pack(table, letter, fields)[4:] == packet


@pytest.mark.parametrize(
    ("table", "packet", "why"),
    [
        (ANSWERS, b"", b"a packet with the unknown letter b''"),
        (ANSWERS, b"?", b"a packet with the unknown letter b'?'"),
        (ANSWERS, b"cx", b"superfluous bytes at its end"),
        (ANSWERS, b"y550 no", b"a string without the NUL that ends it"),
        (ANSWERS, b"y550 no\0more", b"superfluous bytes at its end"),
        (ANSWERS, b"hName\0value", b"a string without the NUL that ends it"),
        (ANSWERS, b"i\0\0\0", b"it is too short"),
        (ANSWERS, b"O\0\0\0\6\0\0\1\xff\0\0", b"it is too short"),
        (ANSWERS, b"O" + 12 * b"\0" + b"\0\0\0\1{i}", b"a string without the NUL that ends it"),
        (ANSWERS, b"O" + 12 * b"\0" + 65 * b"\0\0\0\1\0", b"too many lists of macros"),
        (ANSWERS, b"e", b"a string without the NUL that ends it"),
        (COMMANDS, b"DCname\0value\0name\0", b"a name without a value"),
        (COMMANDS, b"Cme\0004\0", b"it is too short"),
        (COMMANDS, b"c", b"a packet with the unknown letter b'c'"),
    ],
)
def test_what_is_malformed_says_why(table: Mapping[bytes, str], packet: bytes, why: bytes) -> None:
    with pytest.raises(BadPacket) as trouble:
        unpack(table, packet)
    assert why in trouble.value.args[0]


@pytest.mark.parametrize("length", [0, milter.LONGEST + 1, 2**32 - 1])
def test_a_wrong_length_is_told_at_once(length: int) -> None:
    packets = Packets()
    packets.receive(length.to_bytes(4, "big"))
    with pytest.raises(BadPacket):
        packets.next()


def test_the_longest_packet_is_taken() -> None:
    packets = Packets()
    packets.receive(milter.LONGEST.to_bytes(4, "big") + b"b" + (milter.LONGEST - 1) * b"x")
    packet = packets.next()
    assert packet is not None
    assert unpack(ANSWERS, packet) == (milter.REPLACE_BODY, ((milter.LONGEST - 1) * b"x",))


def test_nothing_hides_behind_a_nul() -> None:
    assert pack(COMMANDS, milter.HELO, (b"na\0me",)) == b"\0\0\0\6Hname\0"


def test_as_libmilter_writes_it() -> None:
    """Bytes made by hand after libmilter's headers."""
    assert (
        pack(COMMANDS, milter.CONNECT, (b"me", milter.INET, 25, b"127.0.0.1")) == b"\0\0\0\x11Cme\0004\0\x19127.0.0.1\0"
    )
    assert pack(COMMANDS, milter.CONNECT, (b"me", milter.NO_FAMILY)) == b"\0\0\0\5Cme\0U"
    assert pack(COMMANDS, milter.MACROS, (milter.MAIL, ((b"i", b"1"),))) == b"\0\0\0\6DMi\x001\0"
    assert unpack(ANSWERS, b"O\0\0\0\6\0\0\0\x01\0\x10\0\x80\0\0\0\3{i} j\0") == (
        milter.NEGOTIATE,
        (6, 1, 0x100080, ((3, b"{i} j"),)),
    )


def test_every_step_has_its_own_bit() -> None:
    bits = [*milter.NOT_SENT.values(), *milter.NOT_ANSWERED.values()]
    bits += [milter.CAN_SKIP, milter.REFUSED_RCPTS, milter.LEADING_SPACE]
    assert sum(bits) == milter.ALL_STEPS
    assert len(set(bits)) == len(bits) == 21


@given(st.binary(max_size=300))
def test_the_fuzz_target_holds(data: bytes) -> None:
    fuzz_milter.one_input(data)
