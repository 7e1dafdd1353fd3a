"""The resolver, over real name servers and over one that lies."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator

import pytest

from qmail_smtpd.net.resolver import MOST_AT_ONCE, Resolver

from ..support import dns, zone
from ..support.dns import Relay
from ..support.liar import lying, record, reply, with_length

LONG = 10.0  # seconds; what a test waits for comes sooner
TRUNCATED = 0x8380
HIGH = "".join(f"many A 192.0.2.{number}\n" for number in range(200))
RECORDS = f"""
host        A 192.0.2.1
host        AAAA 2001:db8::1
host        MX 10 mail
host        TXT "one " "two"
host        TXT "three"
alias       CNAME host
key         TXT {" ".join(f'"{chr(97 + number) * 250}"' for number in range(12))}
{HIGH}
"""


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with dns.zones(tmp_path_factory.mktemp("zones"), {"zone.test": RECORDS, "broken.test": None}) as port:
        yield port


def of(*ports: int) -> dict[bytes, bytes]:
    return {b"DNSCACHEIP": b" ".join(b"127.0.0.1:%d" % port for port in ports)}


@pytest.mark.parametrize(
    ("name", "rtype", "records"),
    [
        (b"host", "A", [b"\xc0\0\2\1"]),
        (b"HOST", "AAAA", [b"\x20\1\x0d\xb8" + b"\0" * 11 + b"\1"]),
        (b"host", "MX", [(10, b"mail.zone.test")]),
        (b"host", "TXT", [b"one two", b"three"]),
        (b"alias", "A", [b"\xc0\0\2\1"]),
        (b"host", "PTR", []),
        (b"key", "TXT", [b"".join(b"%c" % (97 + number) * 250 for number in range(12))]),
    ],
)
def test_answers_of_nsd(nsd: int, name: bytes, rtype: str, records: list[object]) -> None:
    answer = Resolver(of(nsd), LONG).ask(name + b".zone.test", rtype)
    assert (sorted(answer.records), answer.exists, answer.trouble) == (records, True, "")


def test_a_long_answer_comes_over_tcp(nsd: int) -> None:
    assert len(Resolver(of(nsd), LONG).ask(b"many.zone.test", "A").records) == 200


def test_names_that_are_not_there_and_names_that_cannot_be(nsd: int) -> None:
    dns = Resolver(of(nsd), LONG)
    assert not dns.ask(b"nowhere.zone.test", "A").exists
    assert not dns.ask(b"a..b", "A").exists
    assert not dns.ask(bytes(range(1, 46)) + b".zone.test", "A").exists


@pytest.mark.parametrize(("name", "trouble"), [(b"x.broken.test", "SERVFAIL"), (b"elsewhere.test", "REFUSED")])
def test_errors_are_no_answer(nsd: int, name: bytes, trouble: str) -> None:
    assert Resolver(of(nsd), LONG).ask(name, "A").trouble == trouble
    assert Resolver(of(nsd, nsd), LONG).ask(name, "A").trouble == trouble


def test_the_next_server_answers_where_one_is_in_trouble(nsd: int) -> None:
    with zone.served({"host.zone.test": {"rcode": "SERVFAIL"}}) as failing, Relay(0) as silent:
        for first in (failing, dns.port_of_both(), silent.port):
            assert Resolver(of(first, nsd), LONG).ask(b"host.zone.test", "A").records


def test_whoever_answered_last_is_asked_first(nsd: int) -> None:
    with Relay(0) as silent:
        asked = Resolver(of(silent.port, nsd), LONG)
        for _ in range(3):
            assert asked.ask(b"host.zone.test", "A").records
        assert silent.names == ["host.zone.test"]


def test_a_silent_server_is_asked_twice() -> None:
    with Relay(0) as silent:
        assert Resolver(of(silent.port), 0.5).ask(b"a.test", "A").trouble == "no answer in time"
        assert silent.names == ["a.test"] * 2


def test_one_question_has_its_own_bound() -> None:
    """Else this would wait for the bound of all, which never comes."""
    with Relay(0) as silent:
        assert Resolver(of(silent.port), 3600, 0.2).ask(b"a.test", "A").trouble == "no answer in time"


def test_many_at_once_and_still_bounded(nsd: int) -> None:
    """The relay passes nothing on before it has MOST_AT_ONCE questions."""
    questions = [(b"%d.zone.test" % number, "A") for number in range(2 * MOST_AT_ONCE)]
    with Relay(nsd, together=MOST_AT_ONCE) as relay:
        found = dict(Resolver(of(relay.port), LONG).answers([*questions, *questions]))
    assert len(found) == len(set(relay.names)) == len(questions)
    assert len(relay.names) < 2 * len(questions)  # a late answer may be asked for again, but each was wanted twice
    assert not any(answer.trouble or answer.exists for answer in found.values())


def test_who_has_heard_enough_leaves_nothing_open(nsd: int) -> None:
    before = os.listdir("/proc/self/fd")
    with Relay(nsd) as relay:
        own = len(os.listdir("/proc/self/fd"))
        questions = [(b"silent.test", "A"), (b"host.zone.test", "A")]
        for question, answer in Resolver(of(relay.port), LONG).answers(questions):
            assert question[0] == b"host.zone.test" and answer.records
            break
        assert len(os.listdir("/proc/self/fd")) == own
    assert os.listdir("/proc/self/fd") == before


def test_spoofed_answers_are_ignored() -> None:
    """Wrong numbers, other questions, no answers at all; then the true one."""

    def answers(query: bytes, by_tcp: bool) -> list[bytes]:
        true = reply(query, record(1, b"\x7f\0\0\2"))
        wrong = bytes([true[0] ^ 1]) + true[1:]
        other = true.replace(b"\1a\4test", b"\1b\4test")
        return [b"", b"x", query, wrong, other, true]

    with lying(answers) as port:
        assert Resolver(of(port), LONG).ask(b"a.test", "A").records == [b"\x7f\0\0\2"]


def test_who_guesses_too_often_is_left_behind_over_tcp() -> None:
    def answers(query: bytes, by_tcp: bool) -> list[bytes]:
        if by_tcp:
            return [with_length(reply(query, record(1, b"\x7f\0\0\2")))]
        guesses = (int.from_bytes(query[:2], "big") ^ number for number in range(1, 40))
        return [number.to_bytes(2, "big") + reply(query, record(1, b"\x7f\0\0\3"))[2:] for number in guesses]

    with lying(answers) as port:
        assert Resolver(of(port), LONG).ask(b"a.test", "A").records == [b"\x7f\0\0\2"]


REFERRAL = 0x8100  # neither authoritative nor recursive


def test_a_referral_is_no_answer() -> None:
    """An authoritative server in DNSCACHEIP: for it no name of others has any record, which must refuse nobody."""
    nameserver = record(2, b"\2ns\4test\0")

    def refers(query: bytes, by_tcp: bool) -> list[bytes]:
        head = reply(query, flags=REFERRAL)
        return [head[:8] + b"\0\1" + head[10:] + nameserver]

    def resolves(query: bytes, by_tcp: bool) -> list[bytes]:
        return [reply(query, record(1, b"\x7f\0\0\2"))]

    with lying(refers) as lame, lying(resolves) as good:
        assert Resolver(of(lame), LONG).ask(b"a.test", "A").trouble == (
            "the server does not resolve names of other servers"
        )
        assert Resolver(of(lame, good), LONG).ask(b"a.test", "A").records == [b"\x7f\0\0\2"]


@pytest.mark.parametrize("flags", [0x8180, 0x8500, 0x8580])
def test_no_records_is_an_answer_of_who_knows(flags: int) -> None:
    with lying(lambda query, by_tcp: [reply(query, flags=flags)]) as port:
        answer = Resolver(of(port), LONG).ask(b"a.test", "A")
        assert (answer.records, answer.exists, answer.trouble) == ([], True, "")


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 20])
def test_a_server_that_hangs_up_in_the_middle(cut: int) -> None:
    def answers(query: bytes, by_tcp: bool) -> list[bytes]:
        whole = with_length(reply(query, record(1, b"\x7f\0\0\2")))
        return [whole[:cut]] if by_tcp else [reply(query, flags=TRUNCATED)]

    with lying(answers) as port:
        assert Resolver(of(port), LONG).ask(b"a.test", "A").trouble in (
            "the server closed the connection",
            "Connection reset by peer",
        )


def test_an_answer_that_comes_byte_by_byte() -> None:
    def answers(query: bytes, by_tcp: bool) -> list[bytes]:
        whole = with_length(reply(query, record(1, b"\x7f\0\0\2")))
        return [bytes([byte]) for byte in whole] if by_tcp else [reply(query, flags=TRUNCATED)]

    with lying(answers) as port:
        assert Resolver(of(port), LONG).ask(b"a.test", "A").records == [b"\x7f\0\0\2"]


@pytest.mark.parametrize("flags", [0x8180, TRUNCATED])
def test_nonsense_is_trouble_of_the_server(flags: int) -> None:
    """Records that end too soon; and over TCP an answer that is cut off again."""

    def answers(query: bytes, by_tcp: bool) -> list[bytes]:
        nonsense = reply(query, record(1, b"\x7f\0\0\2")[:-1], flags=flags)
        return [with_length(nonsense) if by_tcp else nonsense]

    with lying(answers) as port:
        assert Resolver(of(port), LONG).ask(b"a.test", "A").trouble


def test_numbers_and_ports_are_at_random(nsd: int) -> None:
    seen: list[bytes] = []

    def answers(query: bytes, by_tcp: bool) -> list[bytes]:
        seen.append(query[:2])
        return [reply(query)]

    with lying(answers) as port:
        for _ in range(20):
            Resolver(of(port), LONG).ask(b"a.test", "A")
    assert len(set(seen)) > 10


def test_no_descriptor_is_trouble_of_ours(nsd: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as probe:
        highest = probe.fileno()
    asked = Resolver(of(nsd), LONG)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            asked.ask(b"host.zone.test", "A")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
