"""The same input gives the same session, however it is cut into pieces.

Every recorded session is told again to the real program in one piece, and the short ones byte by byte; to the
protocol alone every input is also told byte by byte; Hypothesis cuts and invents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmail_smtpd.smtp.events import EndOfMessage, Event, MessageBlock, Violation
from qmail_smtpd.smtp.protocol import Protocol
from qmail_smtpd.smtp.replies import Reply
from qmail_smtpd.smtp.state import CLOSED, TLS

from ..session.test_sessions import CORRECTIONS
from ..support.inprocess import Ending, converse
from ..support.naive import Message, receive
from ..support.outcomes import Outcomes
from ..support.scenario import BYTES, WHOLE, Scenario, differences, essence, load

SCENARIOS = [scenario for scenario in load() if scenario.can_be_pipelined()]
SHORT = 2000  # bytes: what is told to the real program byte by byte


def told(delivery: str, scenarios: list[Scenario]) -> Any:
    return [pytest.param(scenario, delivery, id=f"{scenario.name}-{delivery}") for scenario in scenarios]


@pytest.mark.parametrize(
    ("scenario", "delivery"),
    told(WHOLE, [scenario for scenario in SCENARIOS if scenario.name not in CORRECTIONS])  # those: test_sessions.py
    + told(BYTES, [scenario for scenario in SCENARIOS if len(scenario.said()) <= SHORT]),
)
def test_the_real_program(scenario: Scenario, delivery: str, outcomes: Outcomes) -> None:
    before = outcomes.of(scenario, WHOLE) if scenario.name in CORRECTIONS else scenario.recorded
    outcome = outcomes.of(scenario, delivery)
    problems = differences(essence(before), essence(outcome))
    assert not problems, "\n".join([*problems, outcome["log"]])
    assert "Traceback" not in outcome["log"]


# The protocol alone


def events(pieces: list[bytes], codes: list[int]) -> Iterator[tuple[Any, ...]]:
    """What the protocol makes of `pieces` when it is answered `codes`, one for each event that wants an answer.
    Blocks of the message come as runs: how much is in one is a matter of the pieces."""
    protocol, answers = Protocol(), iter(codes)
    run: list[bytes] = []
    for piece in pieces:
        protocol.receive(piece)
        while protocol.state not in (CLOSED, TLS) and (event := protocol.next_event()) is not None:
            if isinstance(event, MessageBlock):
                run.append(event.block)
                continue
            if run and not isinstance(event, Violation):  # how much went before it nobody is promised
                yield "message", b"".join(run)
            run.clear()
            code = next(answers, None)
            if code is None:
                return
            yield protocol.state, type(event).__name__, *contents(event)
            protocol.reply(event, Reply(code, b"", hangup=isinstance(event, Violation)))


def contents(event: Event) -> list[Any]:
    """All that an event says."""
    if isinstance(event, Violation):
        return [event.reply.code]
    slots = [name for kind in type(event).__mro__ for name in getattr(kind, "__slots__", ())]
    return [getattr(event, name) for name in slots]


def recorded_codes(scenario: Scenario) -> list[int]:
    """The answers of the record, without the greeting."""
    return [int(reply["code"]) for reply in scenario.recorded["replies"][1:] if reply["code"]]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_protocol_byte_by_byte(scenario: Scenario) -> None:
    said, codes = scenario.said(), recorded_codes(scenario)
    whole = list(events([said], codes))
    assert list(events([said[at : at + 1] for at in range(len(said))], codes)) == whole
    for size in (2, 3, 7, 4096):
        assert list(events([said[at : at + size] for at in range(0, len(said), size)], codes)) == whole, size


# Inventions

FRAGMENTS = [
    *(
        b"EHLO x\r\n",
        b"HELO\r\n",
        b"MAIL FROM:<s@sender.example>\r\n",
        b"MAIL FROM:<>\r\n",
        b"mail from:a@b SIZE=9\r\n",
    ),
    *(b"RCPT TO:<u@example.org>\r\n", b"RCPT TO:<u@evil.example>\r\n", b"RCPT TO:<u@local.example.org>\r\n"),
    *(
        b"DATA\r\n",
        b"DATA\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"VRFY x\r\n",
        b"HELP\r\n",
        b"QUIT\r\n",
        b"BDAT 3\r\n",
        b"\r\n",
    ),
    *(b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n", b"*\r\n", b"STARTTLS\r\n", b"STARTTLS now\r\n"),
    *(b".\r\n", b"\r\n.\r\n", b"..\r\n", b".", b"\r", b"\n", b"\r\n", b"\0", b" ", b"<", b">", b'"', b"\\", b"@", b":"),
    *(
        b"Subject: x\r\n",
        b"Received: by x\r\n",
        b"\r\n\r\n",
        b"text\r\n",
        b"\r\n.\r",
        b"\n.\n",
        b"\r\n.\n",
        b"\xff\xfe",
    ),
    b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n",
    b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n",
]
speech = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=6)), max_size=40).map(b"".join)
opened = st.one_of(st.just(b""), st.just(FRAGMENTS[-2]))
messages = st.lists(st.sampled_from(FRAGMENTS[-25:]), max_size=30).map(b"".join)
environments = st.sampled_from(
    [{}, {b"SMTPAUTH": b""}, {b"SMTP550DISCONNECT": b""}, {b"DATABYTES": b"20"}, {b"RELAYCLIENT": b""}]
)


def cut(data: bytes, lengths: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for length in lengths:
        pieces.append(data[at : at + length])
        at += length
    return [*pieces, data[at:]]


def well_formed(output: bytes) -> bool:
    """Nothing but SMTP replies: each line with its CRLF, printable, the lines of a reply with one code."""
    reply = rb"(?:(\d\d\d)-[^\r\n\0]*\r\n(?:\1-[^\r\n\0]*\r\n)*\1 [^\r\n\0]*\r\n|[2-5]\d\d [^\r\n\0]*\r\n)"
    return re.fullmatch(rb"(?:%b)*" % reply, output) is not None


def queued(ending: Ending) -> list[tuple[bytes, bytes | None]]:
    """Messages without our trace header, which tells the time."""
    return [(m.text.partition(b" -0000\n")[2], m.envelope) for m in ending.queued]


def with_qp(output: bytes) -> bytes:
    return re.sub(rb"ok \d+ qp", b"ok TIME qp", output)


@settings(max_examples=400, deadline=None)
@given(opened, speech, st.lists(st.integers(0, 9), max_size=60), environments)
def test_any_speech_in_any_pieces(begin: bytes, more: bytes, lengths: list[int], env: dict[bytes, bytes]) -> None:
    said = begin + more
    whole = converse([said], env=env)
    pieces = converse(cut(said, lengths), env=env)
    assert with_qp(pieces.output) == with_qp(whole.output)
    assert queued(pieces) == queued(whole)
    assert pieces.exit == whole.exit
    assert well_formed(whole.output), whole.output
    assert not any(b"internal error" in line or b"failed at" in line for line in whole.log), whole.log


@settings(max_examples=300, deadline=None)
@given(messages)
def test_only_crlf_dot_crlf_ends_a_message(text: bytes) -> None:
    """What is stored is what a receiver stores that looks at one byte after the other and knows nothing else."""
    ending = converse([FRAGMENTS[-2] + text])
    expected = receive(text)
    stored = [body for body, _ in queued(ending)]
    assert stored[:1] == ([expected.text] if isinstance(expected, Message) else [])
    if not isinstance(expected, Message):
        assert not stored
        assert b"\r\n250 ok" not in ending.output


@pytest.mark.parametrize(
    "terminator", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r\n\0.\r\n", b"\r.\r\n"]
)
def test_no_other_terminator(terminator: bytes) -> None:
    ending = converse([FRAGMENTS[-2] + b"Subject: x\r\n\r\nbody" + terminator + b"MAIL FROM:<smuggled@x>\r\n"])
    assert not ending.queued
    assert b"250 sender" not in ending.output.partition(b"354")[2]


def test_a_block_event_is_no_end() -> None:
    """The reader of messages says so itself when it is through."""
    kinds = [event[1] for event in events([FRAGMENTS[-1]], [250, 250, 354, 250]) if event[0] != "message"]
    assert kinds == ["Mail", "Rcpt", "Data", EndOfMessage.__name__]
