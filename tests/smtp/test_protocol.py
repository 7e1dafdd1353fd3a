"""The conversation without I/O: states, transitions, lines (SPEC section 3)."""

from __future__ import annotations

import pytest

from qmail_smtpd.smtp import replies, state
from qmail_smtpd.smtp.events import (
    Auth,
    AuthResponse,
    Data,
    EndOfMessage,
    Event,
    Helo,
    Help,
    Mail,
    MessageBlock,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unknown,
    Violation,
    Vrfy,
)
from qmail_smtpd.smtp.protocol import Protocol
from qmail_smtpd.smtp.readers import LONGEST_LINE, command
from qmail_smtpd.smtp.replies import Reply
from qmail_smtpd.smtp.state import AUTH, CLOSED, DATA, IDLE, MAIL, OUT_OF_SEQUENCE, RCPT, RESTRICTED, TLS, TRANSITIONS

STATES = [IDLE, MAIL, RCPT, DATA, AUTH, TLS, RESTRICTED, CLOSED]


def walked(*steps: tuple[bytes, int]) -> Protocol:
    """A protocol after these lines and replies."""
    protocol = Protocol()
    for line, code in steps:
        protocol.receive(line + b"\r\n")
        event = protocol.next_event()
        assert event is not None
        protocol.reply(event, Reply(code, b""))
    return protocol


ENVELOPE = [(b"MAIL FROM:<a>", 250), (b"RCPT TO:<b>", 250)]
TO_DATA = [*ENVELOPE, (b"DATA", 354)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"HELO x", Helo),
        (b"ehlo x", Helo),
        (b"MaIl FROM:<a>", Mail),
        (b"RCPT TO:<a>", Rcpt),
        (b"DATA", Data),
        (b"DATA now", Data),
        (b"RSET", Rset),
        (b"NOOP x y", Noop),
        (b"VRFY x", Vrfy),
        (b"HELP", Help),
        (b"QUIT", Quit),
        (b"QUIT ", Quit),
        (b"AUTH LOGIN", Auth),
        (b"STARTTLS", StartTls),
        (b"", Unknown),
        (b" NOOP", Unknown),
        (b"NOOP\tx", Unknown),
        (b"NOOPX", Unknown),
        (b"MAILFROM:<a>", Unknown),
    ],
)
def test_verbs(line: bytes, kind: type[Event]) -> None:
    assert type(command(line)) is kind


def test_arguments() -> None:
    helo = command(b"EHLO   a b")
    assert isinstance(helo, Helo) and (helo.name, helo.extended) == (b"a b", True)
    auth = command(b"AUTH  Plain   AGEAYg==")
    assert isinstance(auth, Auth) and (auth.mechanism, auth.response) == (b"plain", b"AGEAYg==")
    bare = command(b"AUTH LOGIN")
    assert isinstance(bare, Auth) and bare.response is None
    tls = command(b"STARTTLS  x")
    assert isinstance(tls, StartTls) and tls.argument == b"x"
    mail = command(b"MAIL FROM:<a@b> SIZE=1")
    assert isinstance(mail, Mail) and (mail.address, mail.parameters) == (b"a@b", [b"SIZE=1"])


@pytest.mark.parametrize("raw", [b"HELO x\r\n", b"HELO x\n"])
def test_line_ends(raw: bytes) -> None:
    protocol = Protocol()
    protocol.receive(raw)
    event = protocol.next_event()
    assert isinstance(event, Helo) and event.name == b"x"


def test_one_cr_goes_more_stay() -> None:
    protocol = Protocol()
    protocol.receive(b"HELO x\r\r\nHELO a\rb\r\n")
    names = [event.name for event in (protocol.next_event(), protocol.next_event()) if isinstance(event, Helo)]
    assert names == [b"x\r", b"a\rb"]


def test_a_command_line_beyond_all_bounds() -> None:
    protocol = Protocol()
    protocol.receive(b"x" * LONGEST_LINE)
    assert protocol.next_event() is None
    protocol.receive(b"x")
    event = protocol.next_event()
    assert isinstance(event, Violation)
    protocol.reply(event, event.reply)
    assert protocol.state == CLOSED
    assert protocol.next_event() is None


def test_the_bound_holds_however_a_line_arrives() -> None:
    protocol = Protocol()
    protocol.receive(b"x" * (LONGEST_LINE + 1) + b"\nQUIT\n")
    assert isinstance(protocol.next_event(), Violation)


@pytest.mark.parametrize(
    ("steps", "line", "code", "after"),
    [
        ([], b"MAIL FROM:<a>", 250, MAIL),
        ([], b"MAIL FROM:<a>", 553, IDLE),
        (ENVELOPE[:1], b"RCPT TO:<b>", 250, RCPT),
        (ENVELOPE[:1], b"RCPT TO:<b>", 553, MAIL),
        (ENVELOPE, b"RCPT TO:<b>", 553, RCPT),
        (ENVELOPE, b"MAIL FROM:<c>", 553, RCPT),  # a refused one leaves the old in force
        (ENVELOPE, b"MAIL FROM:<c>", 250, MAIL),
        (ENVELOPE, b"RSET", 250, IDLE),
        (ENVELOPE, b"EHLO x", 250, IDLE),
        (ENVELOPE, b"HELO x", 451, RCPT),
        (ENVELOPE, b"NOOP", 250, RCPT),
        (ENVELOPE, b"XYZZY", 502, RCPT),
        (ENVELOPE, b"DATA", 354, DATA),
        (ENVELOPE, b"DATA", 451, IDLE),
        (TO_DATA, b".", 250, IDLE),
        (TO_DATA, b".", 554, IDLE),
        (ENVELOPE, b"QUIT", 221, CLOSED),
        (ENVELOPE, b"STARTTLS", 220, TLS),
        (ENVELOPE, b"STARTTLS", 454, RCPT),
        (ENVELOPE, b"AUTH LOGIN", 334, AUTH),
        (ENVELOPE, b"AUTH LOGIN", 504, RCPT),
        (ENVELOPE, b"AUTH PLAIN x", 235, RCPT),
        ([*ENVELOPE, (b"AUTH LOGIN", 334)], b"x", 334, AUTH),
        ([*ENVELOPE, (b"AUTH LOGIN", 334), (b"x", 334)], b"y", 235, RCPT),
        ([*ENVELOPE, (b"AUTH LOGIN", 334)], b"QUIT", 535, RCPT),
        ([(b"AUTH LOGIN", 334)], b"*", 501, IDLE),
    ],
)
def test_transitions(steps: list[tuple[bytes, int]], line: bytes, code: int, after: str) -> None:
    assert walked(*steps, (line, code)).state == after


@pytest.mark.parametrize("where", STATES)
def test_a_hangup_closes_from_everywhere(where: str) -> None:
    assert state.after(where, Noop(), Reply(451, b"", hangup=True)) == CLOSED


def test_the_table_is_whole() -> None:
    """Every state has its row, and every row leads to a state."""
    assert set(TRANSITIONS) == set(STATES)
    targets = {target for row in TRANSITIONS.values() for moves in row.values() for target in moves.values()}
    assert targets <= {*STATES, state.RESUME}
    assert {state.RESTRICTED} == set(STATES) - targets - {state.AUTH, state.IDLE} | {state.RESTRICTED}
    assert not TRANSITIONS[CLOSED] and not TRANSITIONS[TLS]


@pytest.mark.parametrize(
    ("steps", "kind", "early"),
    [
        ([], Rcpt, True),
        ([], Data, True),
        (ENVELOPE[:1], Rcpt, False),
        (ENVELOPE[:1], Data, True),
        (ENVELOPE, Data, False),
    ],
)
def test_out_of_sequence(steps: list[tuple[bytes, int]], kind: type[Event], early: bool) -> None:
    protocol = walked(*steps)
    event = command(b"RCPT TO:<a>" if kind is Rcpt else b"DATA")
    reply = protocol.out_of_sequence(event)
    assert (reply is not None) is early
    assert reply is None or reply.line().startswith(b"503 ") and reply.line().endswith(b"(#5.5.1)")


def test_what_is_out_of_sequence_is_refused() -> None:
    assert {reply.code for row in OUT_OF_SEQUENCE.values() for reply in row.values()} == {503}


def test_the_message_and_what_comes_behind_it() -> None:
    protocol = walked(*TO_DATA)
    protocol.receive(b"a: b\r\n\r\nQUIT\r\n.\r\nQUIT\r\n")
    events = []
    while not isinstance(event := protocol.next_event(), EndOfMessage):
        events.append(event)
    assert b"".join(event.block for event in events if isinstance(event, MessageBlock)) == b"a: b\n\nQUIT\n"
    protocol.reply(event, Reply(250, b""))
    assert isinstance(protocol.next_event(), Quit)


def test_a_second_message_counts_anew() -> None:
    protocol = walked(*TO_DATA)
    for size in (3, 5):
        protocol.receive(b"x" * (size - 1) + b"\r\n.\r\n")
        while not isinstance(event := protocol.next_event(), EndOfMessage):
            assert isinstance(event, MessageBlock)
        assert event.size == size
        protocol.reply(event, Reply(250, b""))
        for line, code in TO_DATA:
            protocol.receive(line + b"\r\n")
            following = protocol.next_event()
            assert following is not None
            protocol.reply(following, Reply(code, b""))


def test_plaintext_is_forgotten_by_the_handshake() -> None:
    protocol = Protocol()
    protocol.receive(b"MAIL FROM:<a>\r\nSTARTTLS\r\nRCPT TO:<injected>\r\nDATA\r\n")
    for code in (250, 220):
        event = protocol.next_event()
        assert event is not None
        protocol.reply(event, Reply(code, b""))
    assert protocol.next_event() is None, "nothing is read before the handshake"
    protocol.encrypted()
    assert protocol.state == IDLE
    assert protocol.next_event() is None
    protocol.receive(b"NOOP\r\n")
    assert isinstance(protocol.next_event(), Noop)


def test_responses_are_not_commands() -> None:
    protocol = walked((b"AUTH PLAIN", 334))
    protocol.receive(b"QUIT\r\nQUIT\r\n")
    event = protocol.next_event()
    assert isinstance(event, AuthResponse) and event.line == b"QUIT"
    protocol.reply(event, replies.AUTHENTICATED)
    assert isinstance(protocol.next_event(), Quit)
