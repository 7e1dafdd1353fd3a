"""Sender authentication with a hostile DNS, over whole sessions: it costs the time the site gives it, and no more.

Each of these messages asks for so much that the session would last minutes if every question had its own time; those
run with a second for all of them, and the test has less than a minute.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable

import pytest

from ..support.home import Home, codes
from ..support.liar import lying, record, reply, with_length

CNAME, TXT = 5, 16
ON = {"SPFBEHAVIOR": "1", "DKIMVERIFY": "", "DMARCBEHAVIOR": "1"}
SIGNATURE = (
    "DKIM-Signature: v=1; a=rsa-sha256; d={n}.signer.test; s=s; h=from; b=AAAA;\r\n"
    "\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\r\n"
)
MESSAGE = "".join(SIGNATURE.format(n=number) for number in range(8)) + "From: u@a.b.c.d.e.author.test\r\n\r\nhi\r\n"


def truncated(query: bytes) -> bytes:
    return reply(query, flags=0x8380)


def wrong_id(query: bytes, by_tcp: bool) -> list[bytes]:
    """As many as a liar can send, none with our number."""
    packet = reply(query, record(TXT, b"\x03x=y"))
    return [
        struct.pack(">H", (int.from_bytes(query[:2], "big") + number) % 65536) + packet[2:] for number in range(1, 50)
    ]


def slow(query: bytes, by_tcp: bool) -> list[bytes]:
    time.sleep(0.4)  # this is how slow it is
    return [reply(query)]


def trickling(query: bytes, by_tcp: bool) -> list[bytes]:
    """Cut off over UDP; over TCP the beginning of an answer that never goes on."""
    return [with_length(reply(query, record(TXT, b"\x03x=y")))[:-1]] if by_tcp else [truncated(query)]


def round_and_round(query: bytes, by_tcp: bool) -> list[bytes]:
    return [reply(query, record(CNAME, b"\xc0\x0c"))]


def pointing_at_itself(query: bytes, by_tcp: bool) -> list[bytes]:
    own_place = len(query)
    return [reply(query, record(TXT, b"\x03x=y", owner=struct.pack(">H", 0xC000 | own_place)))]


def garbage(query: bytes, by_tcp: bool) -> list[bytes]:
    return [query[:2] + b"\x81\x80" + b"\xff" * 400]


def silent(query: bytes, by_tcp: bool) -> list[bytes]:
    return []


Lie = Callable[[bytes, bool], list[bytes]]


def results(home: Home, lie: Lie, seconds: str, **env: str) -> tuple[list[int], dict[str, set[str]]]:
    """The codes of a session, and what was found by method."""
    home.control("dnstimeout", seconds)
    text = f"HELO c.test\r\nMAIL FROM:<u@sender.test>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n{MESSAGE}.\r\nQUIT\r\n"
    with lying(lie) as port:
        run = home.smtp(text, DNSCACHEIP=f"127.0.0.1:{port}", LOGFORMAT="json", **{**ON, **env})
    (message,) = [event for event in map(json.loads, run.stderr.splitlines()) if event["event"] == "message"]
    found: dict[str, set[str]] = {}
    for fact in message["results"]:
        found.setdefault(fact["method"], set()).add(fact["result"])
    return codes(run.stdout), found


@pytest.mark.parametrize(
    "lie",
    [silent, wrong_id, slow, trickling, round_and_round, pointing_at_itself, garbage],
    ids=lambda lie: lie.__name__,
)
def test_what_cannot_be_had_is_a_temperror(home: Home, lie: Lie) -> None:
    said, found = results(home, lie, "1")
    assert said == [220, 250, 250, 250, 354, 250, 221]
    spf = {"none", "temperror"} if lie is slow else {"temperror"}  # the first slow answers come in time
    assert found.pop("spf") <= spf
    assert found == {"dkim": {"temperror"}, "dmarc": {"temperror"}, "iprev": {"temperror"}}


@pytest.mark.parametrize("lie", [silent, wrong_id, garbage], ids=lambda lie: lie.__name__)
def test_who_wants_it_defers(home: Home, lie: Lie) -> None:
    said, found = results(home, lie, "1", DMARCBEHAVIOR="2")
    assert said == [220, 250, 250, 250, 354, 451, 221] and found["dmarc"] == {"temperror"}
    said, found = results(home, lie, "1", DMARCBEHAVIOR="3", SHADOW="dmarc")
    assert said == [220, 250, 250, 250, 354, 250, 221]


def many_strings(query: bytes, by_tcp: bool) -> list[bytes]:
    """10,000 strings in one record, and 1,500 records: both more than a datagram takes."""
    one = record(TXT, b"\x01v" * 10_000)
    return [with_length(reply(query, one, *[record(TXT, b"\x0av=DMARC1;p")] * 1500))] if by_tcp else [truncated(query)]


def test_what_is_huge_is_read_and_means_nothing(home: Home) -> None:
    said, found = results(home, many_strings, "20")
    assert said == [220, 250, 250, 250, 354, 250, 221]
    assert found["spf"] == {"none"} and found["dmarc"] == {"none"} and found["dkim"] == {"permerror"}


def test_includes_that_lead_round(home: Home) -> None:
    text = b"v=spf1 include:sender.test include:other.test a mx exists:%{i}.sender.test -all"
    said, found = results(home, lambda query, by_tcp: [reply(query, record(TXT, bytes([len(text)]) + text))], "20")
    assert said == [220, 250, 250, 250, 354, 250, 221] and found["spf"] == {"permerror"}
