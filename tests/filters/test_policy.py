"""Policy delegation: what is asked, what the answers mean, and a server that fails in every way."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.filters import policy
from qmail_smtpd.filters.policy import BadAnswer, PolicyClient, PolicyFailed, action_of, request
from qmail_smtpd.filters.settings import POLICY_OPTIONS, parse_line

from .client import closed_port


def test_a_question() -> None:
    asked = request({b"sender": b"a@b", b"helo_name": b"x\ny=z\0", b"stress": b""})
    assert asked == b"request=smtpd_access_policy\nsender=a@b\nhelo_name=x?y=z?\nstress=\n\n"


@given(st.dictionaries(st.sampled_from([b"sender", b"recipient", b"size"]), st.binary(max_size=30)))
def test_no_value_makes_a_line(attributes: dict[bytes, bytes]) -> None:
    lines = request(attributes).split(b"\n")
    assert len(lines) == len(attributes) + 3
    assert lines[-2:] == [b"", b""]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"REJECT", b"550 refused by a filter (#5.7.1)"),
        (b"reject go away", b"550 go away (#5.7.1)"),
        (b"REJECT 5.7.9 go away", b"550 5.7.9 go away"),
        (b"DEFER", b"451 deferred by a filter, try again later (#4.7.1)"),
        (b"defer_if_permit Service\tunavailable", b"451 Service unavailable (#4.7.1)"),
        (b"DEFER_IF_REJECT later", b"451 later (#4.7.1)"),
        (b"550", b"550 refused by a filter (#5.7.1)"),
        (b"450 ", b"450 deferred by a filter, try again later (#4.7.1)"),
        (b"554 5.7.1 no\x1bway", b"554 5.7.1 no way"),
        (b"450 4.2.0 greylisted", b"450 4.2.0 greylisted"),
        (b"250 fine", b"451 deferred by a filter, try again later (#4.7.1)"),
        (b"5500", b"451 deferred by a filter, try again later (#4.7.1)"),
        (b"55", b"451 deferred by a filter, try again later (#4.7.1)"),
        (b"5", b"451 deferred by a filter, try again later (#4.7.1)"),
        (b"600", b"451 deferred by a filter, try again later (#4.7.1)"),
    ],
)
def test_refusals(text: bytes, line: bytes) -> None:
    assert policy.refusal(action_of(b"action=" + text + b"\n\n")).line() == line


def test_421_ends_the_session() -> None:
    assert policy.refusal(action_of(b"action=421 go")).hangup


@pytest.mark.parametrize("verb", sorted(policy.KNOWN))
def test_every_action_is_known_in_any_case(verb: bytes) -> None:
    for spelled in (verb, verb.lower(), verb.title()):
        action = action_of(b"action=%b X-Field: value\n\n" % spelled)
        assert (action.verb, action.text) == (verb, b"X-Field: value")


@pytest.mark.parametrize(
    "answer",
    [
        b"\n\n",
        b"action\n\n",
        b"action=\n\n",
        b"action=PERMIT\n\n",
        b"action=DUNNO\naction=OK\n\n",
        b"action=PREPEND\n\n",
        b"action=PREPEND no field\n\n",
        b"action=PREPEND bad name: x\n\n",
        b"action=REDIRECT\n\n",
        b"action=REDIRECT " + 900 * b"x" + b"\n\n",
        b"action=REDIRECT <>\n\n",
        b"action=REDIRECT a@example.org\0Tb@example.org\n\n",
        b"action=55x go away\n\n",
    ],
)
def test_what_is_no_answer(answer: bytes) -> None:
    with pytest.raises(BadAnswer):
        action_of(answer)


@given(st.binary(max_size=100))
def test_any_answer_is_an_action_or_malformed(answer: bytes) -> None:
    with contextlib.suppress(BadAnswer):
        action = action_of(b"action=" + answer)
        assert policy.refusal(action).refuses
        assert b"\n" not in policy.refusal(action).encode()[:-2]


def test_fields_and_addresses() -> None:
    assert policy.field_of(action_of(b"action=PREPEND X-Grey: \xc3\xa9\x01")) == (b"X-Grey", b" \xc3\xa9 ")
    assert policy.field_of(action_of(b"action=HOLD")) == (b"X-Quarantine", b" held by a policy")
    assert policy.address_of(action_of(b"action=REDIRECT <a@b>")) == b"a@b"
    assert policy.address_of(action_of(b"action=REDIRECT <" + 899 * b"x" + b">")) == 899 * b"x"


# The client


@contextlib.contextmanager
def server(*connections: list[Any]) -> Iterator[tuple[str, list[bytes]]]:
    """Answers the questions on each connection with what the list says (None: nothing, ever), then closes it."""
    asked: list[bytes] = []
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answers in connections:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    for answer in answers:
                        asked.append(connection.recv(65536))
                        if answer is None:
                            over.wait()
                        else:
                            connection.sendall(answer)
                    if len(answers) == 0:
                        asked.append(connection.recv(65536))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"inet:127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        over.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def client(address: str, options: str = "") -> PolicyClient:
    return PolicyClient(parse_line(f"p {address} {options}".encode(), POLICY_OPTIONS, b"control/smtppolicies:1"))


OKAY = b"action=OK\n\n"


def test_one_connection_for_several_questions() -> None:
    with server([OKAY, b"action=DUNNO\n\n"]) as (address, asked):
        one = client(address)
        assert one.ask({b"n": b"1"}).verb == policy.OK
        assert one.ask({b"n": b"2"}).verb == policy.DUNNO
        assert asked == [request({b"n": b"1"}), request({b"n": b"2"})]
        one.close()


@pytest.mark.parametrize("first", [[], [b"action=DU"]])
def test_closed_without_an_answer_is_tried_once_more(first: list[Any]) -> None:
    with server(first, [OKAY]) as (address, asked):
        one = client(address)
        assert one.ask({}).verb == policy.OK
        assert len(asked) == 2
        one.close()
    with server(first, first, [OKAY]) as (address, asked), pytest.raises(PolicyFailed):
        client(address).ask({})
    assert len(asked) == 2


def test_line_ends_of_other_systems() -> None:
    """Not waited for until the timeout: the empty line ends the answer."""
    with server([b"action=REJECT no\r\n\r\n"]) as (address, _):
        one = client(address)
        action = one.ask({})
        assert (action.verb, action.text) == (policy.REJECT, b"no")
        one.close()


def test_an_answer_that_is_too_long() -> None:
    with server([b"x" * 70_000], [OKAY]) as (address, _):
        one = client(address)
        with pytest.raises(PolicyFailed, match="an answer of more than 65536 bytes"):
            one.ask({})
        assert one.ask({}).verb == policy.OK
        one.close()


def test_what_follows_a_malformed_answer_is_not_the_next_answer() -> None:
    """An empty answer, and the true one of the first recipient when the second is asked about."""
    with server([b"\n\n", OKAY], [b"action=REJECT\n\n"]) as (address, _):
        one = client(address)
        with pytest.raises(BadAnswer):
            one.ask({b"recipient": b"1"})
        assert one.ask({b"recipient": b"2"}).verb == policy.REJECT
        one.close()


def test_closed_between_questions() -> None:
    with server([OKAY], [OKAY]) as (address, _):
        one = client(address)
        assert one.ask({}).verb == policy.OK
        assert one.ask({}).verb == policy.OK
        one.close()


def test_nobody_there_or_silent() -> None:
    with pytest.raises(PolicyFailed, match="refused"):
        client(f"inet:127.0.0.1:{closed_port()}").ask({})
    with server([None]) as (address, _), pytest.raises(PolicyFailed, match="in time"):
        client(address, "timeout=1").ask({})
