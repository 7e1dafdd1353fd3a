"""The codec of DNS messages, against dnspython's and against anything."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.net import dnsmessage
from qmail_smtpd.net.dnsmessage import BadName, BadResponse, parse, query

from ..support.liar import record, reply

IDENT = 0x1234
ASKED = query(IDENT, b"a.example", "A")
LABEL = st.binary(min_size=1, max_size=63).filter(lambda label: b"." not in label)


def answer(*records: bytes, flags: int = 0x8180, rtype: str = "A", name: bytes = b"a.example") -> dnsmessage.Response:
    found = parse(reply(query(IDENT, name, rtype), *records, flags=flags), IDENT, name, rtype)
    assert found is not None
    return found


@given(st.lists(LABEL, min_size=1, max_size=6), st.sampled_from(sorted(dnsmessage.TYPES)), st.integers(0, 0xFFFF))
def test_a_question_is_what_dnspython_reads(labels: list[bytes], rtype: str, ident: int) -> None:
    name = b".".join(labels)
    if len(name) > dnsmessage.LONGEST_NAME:
        with pytest.raises(BadName):
            query(ident, name, rtype)
        return
    theirs = dns.message.from_wire(query(ident, name, rtype))
    assert (theirs.id, int(theirs.question[0].rdtype)) == (ident, dnsmessage.TYPES[rtype])
    assert theirs.question[0].name == dns.name.Name([*labels, b""])


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a..b", b".a", b"a.b..", b"l" * 64, b"l." * 127 + b"l"])
def test_no_names(name: bytes) -> None:
    with pytest.raises(BadName):
        query(1, name, "A")


@pytest.mark.parametrize(
    ("rtype", "text", "records"),
    [
        ("A", ["192.0.2.1", "192.0.2.2"], [b"\xc0\0\2\1", b"\xc0\0\2\2"]),
        ("AAAA", ["2001:db8::1"], [b"\x20\1\x0d\xb8" + b"\0" * 11 + b"\1"]),
        ("MX", ["10 mail.A.example.", "0 ."], [(10, b"mail.a.example"), (0, b"")]),
        ("TXT", ['"v=spf1 " "-all"', '"" "\\255"'], [b"v=spf1 -all", b"\xff"]),
        ("PTR", ["host.example.", "odd\\.name.with\\\\slash."], [b"host.example", b"odd\\.name.with\\\\slash"]),
        ("CNAME", ["b.example."], [b"b.example"]),
    ],
)
def test_what_dnspython_writes(rtype: str, text: list[str], records: list[Any]) -> None:
    """With its compression, and the question in other letters, as a server may repeat it."""
    theirs = dns.message.make_response(dns.message.make_query("A.eXample.", rtype, id=IDENT))
    theirs.answer.append(dns.rrset.from_text("a.example.", 60, "IN", rtype, *text))
    found = parse(theirs.to_wire(), IDENT, b"a.example", rtype)
    assert found is not None and sorted(map(_lower, found.records)) == sorted(records)


def _lower(record: Any) -> Any:
    return (record[0], record[1].lower()) if isinstance(record, tuple) else record.lower()


def test_cnames_are_followed_in_any_order() -> None:
    names = [b"\1a\7example\0", b"\1b\7example\0", b"\1c\7example\0"]
    chain = [record(5, names[1], names[0]), record(5, names[2], names[1]), record(1, b"\x7f\0\0\2", names[2])]
    assert answer(*chain).records == answer(*reversed(chain)).records == [b"\x7f\0\0\2"]
    assert answer(chain[0], chain[2]).records == []


def test_cnames_that_lead_round_are_no_answer() -> None:
    names = [b"\1a\7example\0", b"\1b\7example\0"]
    with pytest.raises(BadResponse, match="a loop of CNAMEs"):
        answer(record(5, names[1], names[0]), record(5, names[0], names[1]))


def test_records_of_other_names_types_and_classes_do_not_count() -> None:
    foreign = record(1, b"\x7f\0\0\2", b"\1b\7example\0")
    assert answer(foreign, record(16, b"\1x"), record(1, b"\x7f\0\0\2")[:4] + b"\0\3" + b"\0" * 6).records == []
    ours = record(1, b"\x7f\0\0\3")
    assert answer(foreign, ours, record(99, b"")).records == [b"\x7f\0\0\3"]


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        ASKED,
        reply(ASKED)[:11],
        b"\x12\x35" + reply(ASKED)[2:],
        reply(query(IDENT, b"b.example", "A")),
        reply(query(IDENT, b"a.example", "AAAA")),
        reply(ASKED, flags=0x8980),
        reply(ASKED)[:4] + b"\0\2" + reply(ASKED)[6:],
        reply(ASKED)[:4] + b"\0\0" + reply(ASKED)[6:],
    ],
    ids=["empty", "question", "short", "number", "name", "type", "opcode", "two questions", "no question"],
)
def test_no_answers(packet: bytes) -> None:
    assert parse(packet, IDENT, b"a.example", "A") is None


@pytest.mark.parametrize(
    ("records", "rtype"),
    [
        ([record(1, b"\x7f\0\0")], "A"),
        ([record(28, b"\x7f\0\0\2")], "AAAA"),
        ([record(1, b"\x7f\0\0\2")[:-1]], "A"),
        ([record(1, b"\x7f\0\0\2", b"\xc0\x1b")], "A"),
        ([record(1, b"\x7f\0\0\2", b"\xc0\xff")], "A"),
        ([record(5, b"\xc0\x0c"), record(5, b"\xc0\x35")], "A"),
        ([record(16, b"\5four")], "TXT"),
        ([record(15, b"\0")], "MX"),
        ([record(15, b"\0\1\x41" + b"x" * 65 + b"\0")], "MX"),
        ([record(12, b"\x3f" + b"x" * 20)], "PTR"),
        ([record(12, (b"\x3f" + b"x" * 63) * 4 + b"\0")], "PTR"),
        ([], "A"),
    ],
)
def test_malformed_answers(records: list[bytes], rtype: str) -> None:
    asked = query(IDENT, b"a.example", rtype)
    packet = reply(asked, *records)
    if not records:
        packet = packet[:7] + b"\1" + packet[8:]
    with pytest.raises(BadResponse):
        parse(packet, IDENT, b"a.example", rtype)


def test_a_long_chain_of_pointers_is_not_followed() -> None:
    """Four thousand names through one chain of eight thousand pointers would take seconds."""
    places = [12, *range(len(ASKED) + 12, 16382, 2)]  # of a name, and of the pointers that lead to it
    chain = b"".join((0xC000 | place).to_bytes(2, "big") for place in places[:-1])
    for steps in (100, len(places) - 1):
        owner = (0xC000 | places[steps]).to_bytes(2, "big")
        records = [record(99, chain), *[record(1, b"\x7f\0\0\2", owner)] * 3]
        if steps == 100:
            assert len(answer(*records).records) == 3
        else:
            with pytest.raises(BadResponse, match="too many"):
                answer(*records)


def test_the_name_of_many_records_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand records with a name of a hundred labels, reading the names would take most of the time."""
    read = dnsmessage._name
    places = []

    def counted(packet: bytes, at: int) -> Any:
        places.append(at)
        return read(packet, at)

    monkeypatch.setattr(dnsmessage, "_name", counted)
    other = (0xC000 | 14).to_bytes(2, "big")  # the name without its first label
    addresses = [number.to_bytes(4, "big") for number in range(500)]
    records = [each for address in addresses for each in (record(1, address), record(1, b"\x7f\0\0\2", other))]
    assert answer(*records).records == addresses
    assert len(places) == 3  # in the question, and each of the two


def test_records_without_end_are_not_all_read() -> None:
    addresses = [number.to_bytes(4, "big") for number in range(4000)]
    assert answer(*[record(1, address) for address in addresses]).records == addresses[: dnsmessage.MOST_RECORDS]


def test_errors_and_truncation() -> None:
    assert [answer(flags=0x8180 | rcode).rcode for rcode in range(6)] == list(range(6))
    assert not answer(flags=0x8180).truncated
    cut = answer(record(1, b"\x7f\0\0\2")[:-2], flags=0x8380)
    assert cut.truncated and cut.records == []
    bare = parse(reply(ASKED, flags=0x8181)[:4] + b"\0" * 8, IDENT, b"a.example", "A")
    assert bare is not None and bare.rcode == 1


@given(st.binary(max_size=200), st.sampled_from(sorted(dnsmessage.TYPES)), st.integers(0, 20))
def test_anything(data: bytes, rtype: str, count: int) -> None:
    asked = query(IDENT, b"a.example", rtype)
    packet = asked[:2] + b"\x81\x80\0\1" + count.to_bytes(2, "big") + b"\0" * 4 + asked[12:] + data
    try:
        found = parse(packet, IDENT, b"a.example", rtype)
    except BadResponse:
        return
    assert found is not None and len(found.records) <= count


@given(st.binary(max_size=100))
def test_any_packet(packet: bytes) -> None:
    try:
        parse(packet, IDENT, b"a.example", "A")
    except BadResponse:
        pass
