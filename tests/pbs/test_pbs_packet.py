"""The packets of POP before SMTP: what is written can be read, what cannot be read does no harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.pbs import packet

ADDRESS = bytes([192, 0, 2, 7])
HEAD = b"R\x04" + ADDRESS
names = st.text("ABCDEFGHIJ_", min_size=1, max_size=20).map(str.encode)
values = st.binary(max_size=60).map(lambda text: text.replace(b"\0", b"."))
entries = st.lists(st.tuples(names, values), max_size=40)


def test_the_bytes() -> None:
    assert packet.query(ADDRESS) == b"Q\x04" + ADDRESS + b"\0"
    added, left_out = packet.add(ADDRESS, b"secret", [(b"USER", b"joe"), (b"FOO", b"")])
    assert added == b"A\x04" + ADDRESS + b"\x06secret" + b"\x02" + b"\x08USER=joe" + b"\x04FOO="
    assert left_out == []
    assert packet.reply(ADDRESS, None) == HEAD + b"N"
    assert packet.reply(ADDRESS, b"\x01\x04FOO=") == HEAD + b"R\x01\x04FOO="


@given(entries, st.binary(max_size=255))
def test_what_is_added_comes_back(list_: list[tuple[bytes, bytes]], secret: bytes) -> None:
    data, left_out = packet.add(ADDRESS, secret, list_)
    assert len(data) <= packet.LARGEST
    request = packet.read_request(data)
    assert (request.address, request.secret) == (ADDRESS, secret)
    found = packet.read_reply(packet.reply(ADDRESS, request.entries), ADDRESS)
    assert found is not None
    assert len(found) + len(left_out) == len(list_)
    if not left_out:
        assert found == list_


def test_no_more_than_there_is_room_for() -> None:
    data, left_out = packet.add(ADDRESS, b"s", [(b"LONG", b"x" * 251), (b"FITS", b"x" * 250)])
    assert left_out == [b"LONG"]
    assert packet.read_request(data).entries == b"\x01\xffFITS=" + b"x" * 250
    data, left_out = packet.add(ADDRESS, b"s", [(b"N%d" % number, b"x" * 200) for number in range(9)])
    assert left_out == [b"N4", b"N5", b"N6", b"N7", b"N8"]
    assert len(packet.read_request(data).entries) <= packet.LARGEST
    data, left_out = packet.add(ADDRESS, b"s", [(b"N", b"")] * 300)
    assert len(left_out) == 45


heads = st.sampled_from([b"", b"Q\x04" + ADDRESS, b"A\x04" + ADDRESS, b"A\x10" + ADDRESS * 4, b"R\x04" + ADDRESS])


@given(heads, st.binary(max_size=60) | st.binary(max_size=1100))
def test_any_request_is_read_or_malformed(head: bytes, tail: bytes) -> None:
    try:
        request = packet.read_request(head + tail)
    except packet.BadRequest:
        return
    assert request.address in (ADDRESS, ADDRESS * 4) or not head


@given(entries, st.data())
def test_every_truncated_or_padded_request_is_malformed(list_: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    for whole in (packet.query(ADDRESS), packet.add(ADDRESS, b"secret", list_)[0]):
        cut = data.draw(st.integers(0, len(whole) - 1))
        for wrong in (whole[:cut], whole + b"\0"):
            with pytest.raises(packet.BadRequest):
                packet.read_request(wrong)


def test_oversized_request() -> None:
    entry = b"\xff" + b"x" * 255
    assert packet.read_request(b"A\x04" + ADDRESS + b"\x00\x03" + entry * 3).secret == b""
    with pytest.raises(packet.BadRequest):
        packet.read_request(b"A\x04" + ADDRESS + b"\x00\x04" + entry * 4)


@given(st.binary(max_size=1100))
def test_any_reply_is_an_answer_or_none(data: bytes) -> None:
    found = packet.read_reply(HEAD + b"R" + data, ADDRESS)
    assert found is not None
    assert all(name and b"=" not in name and b"\0" not in name + value for name, value in found)
    if not data.startswith(HEAD + b"R"):
        assert packet.read_reply(data, ADDRESS) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"R",
        HEAD,
        HEAD + b"N\x01\x04FOO=",
        HEAD + b"r\x00",
        HEAD + b"\x00\x00",
        b"Q" + HEAD[1:] + b"R\x00",
        b"A" + HEAD[1:] + b"R\x00",
        b"R\x04\xc0\x00\x02\x08R\x00",
        b"R\x03\xc0\x00\x02R\x00",
        b"R\x10" + ADDRESS * 4 + b"R\x00",
    ],
)
def test_no_relaying(data: bytes) -> None:
    assert packet.read_reply(data, ADDRESS) is None


@pytest.mark.parametrize(
    "list_",
    [
        b"",
        b"\x01",
        b"\x02\x04FOO=",
        b"\x01\x05FOO=",
        b"\x01\x03FOO",
        b"\x01\x02=x",
        b"\x01\x00",
        b"\x01\x05A=\x00B=",
    ],
)
def test_a_broken_list_is_no_list(list_: bytes) -> None:
    assert packet.read_reply(HEAD + b"R" + list_, ADDRESS) == []


def test_bytes_after_the_list_are_ignored() -> None:
    assert packet.read_reply(HEAD + b"R\x01\x05FOO=xjunk", ADDRESS) == [(b"FOO", b"x")]
