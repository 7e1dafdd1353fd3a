"""The mail server's side of a milter, against one that does what the test says: every answer, step and fault."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from qmail_smtpd.filters import milter
from qmail_smtpd.filters.milterclient import AT
from qmail_smtpd.smtp.replies import MultilineReply

from ..support.fake_milter import CLOSE, CONTINUE, HANG, FakeMilter, answer
from .client import ABOUT, Message, Talk, closed_port

PASSES = "- - - - - -"
STAGES = (milter.CONNECT, milter.HELO, milter.MAIL, milter.RCPT, milter.DATA, milter.END_OF_BODY)
IN_MESSAGE = (milter.HEADER, milter.END_OF_HEADER, milter.BODY, milter.END_OF_BODY)


def refused_at(command: bytes, code: int) -> str:
    """What stands in the way of what: a session's refusal stays, a recipient's is its own."""
    if command in IN_MESSAGE:
        return f"- - - - - {code}"
    stage = STAGES.index(command)
    if command == milter.RCPT:
        return f"- - - {code} - -"
    return " ".join(["-"] * stage + [str(code)] * (6 - stage)) if command != milter.DATA else f"- - - - {code} {code}"


# The conversation


def test_everything_is_told_in_order() -> None:
    with FakeMilter() as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert fake.letters() == b"OCHMRTLLLNBE"
        assert fake.told(milter.NEGOTIATE) == [(6, 0x1FF, 0x1FFFFF)]
        assert fake.told(milter.CONNECT) == [ABOUT]
        assert fake.told(milter.HELO) == [(b"me",)]
        assert fake.told(milter.MAIL) == [((b"<s@example.net>", b"SIZE=9"),)]
        assert fake.told(milter.RCPT) == [((b"<r@example.org>",),)]
        assert fake.told(milter.HEADER)[0] == (b"Subject", b"hello\n\tthere")
        assert fake.told(milter.HEADER)[1:] == [(b"X-Twice", b"1"), (b"X-Twice", b"\t2")]
        assert fake.body() == b"one\r\ntwo\r\r\n\r\nlast"
        assert talk.edits() == []


def test_the_leading_blank_is_kept_for_who_asks() -> None:
    with FakeMilter(steps=milter.LEADING_SPACE) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert fake.told(milter.HEADER)[0] == (b"Subject", b" hello\n\tthere")


def test_by_ipv6_and_a_unix_socket(tmp_path: Path) -> None:
    with FakeMilter(family=socket.AF_INET6) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
    with FakeMilter(path=tmp_path / "socket") as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert fake.letters() == b"OCHMRTLLLNBE"


def test_a_name_is_looked_up() -> None:
    with FakeMilter() as fake, Talk(fake.address.replace("127.0.0.1", "localhost")) as talk:
        assert talk.whole() == PASSES


def test_a_large_body_goes_in_full_chunks() -> None:
    with FakeMilter() as fake, Talk(fake) as talk:
        assert talk.whole(Message(b"0123456\n" * 25_000)) == PASSES
        sizes = [len(fields[0]) for fields in fake.told(milter.BODY)]
        assert sizes == [65535, 65535, 65535, 225_000 - 3 * 65535]
        assert fake.body() == b"0123456\r\n" * 25_000


@pytest.mark.parametrize("command", [*milter.NOT_SENT])
def test_what_is_not_wanted_is_not_sent(command: bytes) -> None:
    with FakeMilter(steps=milter.NOT_SENT[command]) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert not talk.client.unknown(b"FOO")
        assert command not in fake.letters()


@pytest.mark.parametrize("command", [*milter.NOT_ANSWERED])
def test_what_is_not_answered_is_not_waited_for(command: bytes) -> None:
    with FakeMilter(steps=milter.NOT_ANSWERED[command]) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert fake.letters() == b"OCHMRTLLLNBE"


def test_nothing_is_answered_but_the_end() -> None:
    with FakeMilter(steps=sum(milter.NOT_ANSWERED.values())) as fake, Talk(fake) as talk:
        assert talk.whole(Message(b"x" * 300_000)) == PASSES
        assert fake.letters() == b"OCHMRTLLLN" + 5 * b"B" + b"E"


@pytest.mark.parametrize(("version", "told"), [(2, b"OCHMRLLLNBE"), (3, b"OCHMRULLLNBE"), (6, b"OCHMRUTLLLNBE")])
def test_older_versions_know_fewer_commands(version: int, told: bytes) -> None:
    with FakeMilter(version=version, actions=0x3F) as fake, Talk(fake) as talk:
        client = talk.client
        assert not client.connect(ABOUT) and not client.helo(b"me")
        assert not client.mail([b"<s>"]) and not client.rcpt([b"<r>"]) and not client.unknown(b"FOO")
        assert not client.data() and not client.message(Message())
        assert fake.letters() == told


def test_several_messages_over_one_connection() -> None:
    with FakeMilter() as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert not talk.client.mail([b"<2>"]) and not talk.client.rcpt([b"<r>"])
        talk.client.reset()
        assert not talk.client.mail([b"<3>"]) and not talk.client.rcpt([b"<r>"]) and not talk.client.message(Message())
        assert fake.letters() == b"OCHMRTLLLNBE" + b"MRA" + b"MRLLLNBE"
        assert len(fake.sessions) == 1


def test_quit_is_said() -> None:
    with FakeMilter() as fake:
        with Talk(fake) as talk:
            assert talk.whole() == PASSES
        fake.stop()
        assert fake.letters().endswith(b"EQ")


# Verdicts

REFUSALS = [
    (answer(milter.REJECT), 550),
    (answer(milter.TEMPFAIL), 451),
    (answer(milter.SHUTDOWN), 421),
    (answer(milter.REPLY_CODE, b"554 5.7.1 go away"), 554),
    (answer(milter.REPLY_CODE, b"450 4.7.1 later"), 450),
    (answer(milter.REPLY_CODE, b"250 fine"), 451),
    (answer(milter.REPLY_CODE, b"5500 odd"), 451),
    (answer(milter.REPLY_CODE, b"words"), 451),
    (answer(milter.REPLY_CODE, b""), 451),
]


@pytest.mark.parametrize("command", [*STAGES, *IN_MESSAGE[:3]])
@pytest.mark.parametrize(("packet", "code"), REFUSALS)
def test_a_refusal_at_every_stage(command: bytes, packet: bytes, code: int) -> None:
    with FakeMilter({command: [packet]}) as fake, Talk(fake) as talk:
        assert talk.whole() == refused_at(command, code)
        assert talk.edits() == []
        assert talk.complaints == []


@pytest.mark.parametrize("command", [*STAGES, *IN_MESSAGE[:3]])
def test_accept_asks_no_more(command: bytes) -> None:
    with FakeMilter({command: [answer(milter.ACCEPT)]}) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        rest = fake.letters().partition(command)[2]
        assert rest in (b"", b"Q")
        assert not talk.client.mail([b"<again>"])
        said_of_session = command in (milter.CONNECT, milter.HELO)
        assert fake.letters().count(b"M") == (0 if said_of_session else 2)


@pytest.mark.parametrize("command", [*STAGES, *IN_MESSAGE[:3]])
def test_discard_at_every_stage(command: bytes) -> None:
    with FakeMilter({command: [answer(milter.DISCARD)]}) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert talk.client.discards
        talk.client.reset()
        assert talk.client.discards is (command in (milter.CONNECT, milter.HELO))


def test_a_refused_recipient_is_only_that() -> None:
    with FakeMilter({milter.RCPT: [[answer(milter.REJECT)], [CONTINUE]]}) as fake, Talk(fake) as talk:
        client = talk.client
        assert not client.connect(ABOUT) and not client.mail([b"<s>"])
        refused = client.rcpt([b"<r1>"])
        assert refused is not None and refused.line() == b"550 refused by a filter (#5.7.1)"
        assert not client.rcpt([b"<r2>"]) and not client.message(Message())
        assert fake.letters() == b"OCMRRLLLNBE"


def test_a_refusal_of_helo_stays() -> None:
    with FakeMilter({milter.HELO: [answer(milter.REPLY_CODE, b"550 bad name")]}) as fake, Talk(fake) as talk:
        client = talk.client
        assert not client.connect(ABOUT)
        for refused in (client.helo(b"x"), client.helo(b"y"), client.mail([b"<s>"])):
            assert refused is not None and refused.line() == b"550 bad name"
        assert fake.told(milter.HELO) == [(b"x",)]


def test_a_reply_of_several_lines() -> None:
    text = b"550-5.7.1 100%% of it\r\n550-\r\n550 is\x07bad"
    with FakeMilter({milter.MAIL: [answer(milter.REPLY_CODE, text)]}) as fake, Talk(fake) as talk:
        refused = talk.client.connect(ABOUT) or talk.client.mail([b"<s>"])
        assert isinstance(refused, MultilineReply)
        assert refused.encode() == b"550-5.7.1 100% of it\r\n550-\r\n550 is bad\r\n"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (milter.RCPT, b"OCHMRTLLLNBBBBEMRTLLLNBBBBE"),
        (milter.HEADER, b"OCHMRTLNBBBBEMRTLNBBBBE"),
        (milter.BODY, b"OCHMRTLLLNBEMRTLLLNBE"),
        (milter.MAIL, b"OCHMRTLLLNBBBBEMRTLLLNBBBBE"),
        (milter.END_OF_BODY, b"OCHMRTLLLNBBBBEMRTLLLNBBBBE"),
    ],
)
def test_skip(command: bytes, told: bytes) -> None:
    """No more of this kind, in this message."""
    with FakeMilter({command: [answer(milter.SKIP)]}) as fake, Talk(fake) as talk:
        assert talk.whole(Message(200_000 * b"x")) == PASSES
        client = talk.client
        assert not client.mail([b"<s>"]) and not client.rcpt([b"<1>"]) and not client.data()
        assert not client.message(Message(200_000 * b"x"))
        assert fake.letters() == told


def test_skipped_recipients() -> None:
    with FakeMilter({milter.RCPT: [answer(milter.SKIP)]}) as fake, Talk(fake) as talk:
        assert talk.up_to_data() == "- - - - -"
        assert not talk.client.rcpt([b"<r2>"])
        assert fake.told(milter.RCPT) == [((b"<r@example.org>",),)]


def test_refused_recipients_are_told_to_who_asks() -> None:
    for steps in (0, milter.REFUSED_RCPTS):
        with FakeMilter(steps=steps) as fake, Talk(fake) as talk:
            assert talk.up_to_data() == "- - - - -"
            talk.client.values[b"{rcpt_mailer}"] = b"error"
            talk.client.refused_rcpt([b"<no>"])
            assert len(fake.told(milter.RCPT)) == (2 if steps else 1)
            if steps:
                assert fake.macros(milter.RCPT) == {b"{rcpt_mailer}": b"error"}


# Macros


def test_each_stage_has_its_macros() -> None:
    with FakeMilter() as fake, Talk(fake) as talk:
        talk.client.values = {b"j": b"host", b"i": b"id", b"{rcpt_host}": b"example.org", b"{auth_authen}": b""}
        assert talk.whole() == PASSES
        sent = [(fields[0], dict(fields[1])) for letter, fields in fake.received if letter == milter.MACROS]
        assert sent == [(b"C", {b"j": b"host"}), (b"M", {b"i": b"id"}), (b"R", {b"{rcpt_host}": b"example.org"})] + [
            (b"E", {b"i": b"id"})
        ]


def test_a_milter_may_choose_them() -> None:
    lists = ((0, b"i, {j} daemon_name"), (4, b"{unheard} {rcpt_host}"), (5, b""), (99, b"j"))
    with FakeMilter(lists=lists) as fake, Talk(fake) as talk:
        talk.client.values = {b"j": b"host", b"i": b"id", b"{rcpt_host}": b"h", b"{daemon_name}": b"d"}
        assert talk.whole() == PASSES
        sent = [(fields[0], list(fields[1])) for letter, fields in fake.received if letter == milter.MACROS]
        assert sent[0] == (b"C", [(b"i", b"id"), (b"j", b"host"), (b"{daemon_name}", b"d")])
        assert (b"T", [(b"{rcpt_host}", b"h")]) in sent
        assert all(command != b"E" for command, _ in sent)


# Edits

EVERY_EDIT = [
    answer(milter.ADD_HEADER, b"X-A", b"a"),
    answer(milter.INSERT_HEADER, 0, b"X-Top", b"t"),
    answer(milter.INSERT_HEADER, 3, b"X-B", b"b\r\nnext\n\n\tthird"),
    answer(milter.CHANGE_HEADER, 0, b"Subject", b"new"),
    answer(milter.CHANGE_HEADER, 2, b"X-Twice", b""),
    answer(milter.ADD_RCPT, b"<more@example.org>"),
    answer(milter.ADD_RCPT_WITH, (b"<par@example.org>", b"NOTIFY=NEVER")),
    answer(milter.DELETE_RCPT, b"r@example.org"),
    answer(milter.CHANGE_FROM, (b"<>",)),
    answer(milter.REPLACE_BODY, b"new\r"),
    answer(milter.REPLACE_BODY, b"\nbody\r\n"),
    answer(milter.QUARANTINE, b"odd\r\nand\x1b more"),
]
APPLIED: list[tuple[Any, ...]] = [
    ("add", b"X-A", b" a"),
    ("add_top", b"X-Top", b" t"),
    ("insert", 3, b"X-B", b" b\r\nnext\n\n\tthird"),
    ("change", b"Subject", 1, b" new"),
    ("delete", b"X-Twice", 2),
    ("add_recipient", b"more@example.org"),
    ("add_recipient", b"par@example.org"),
    ("remove_recipient", b"r@example.org"),
    ("sender", b""),
    ("add_top", b"X-Quarantine", b" odd and  more"),
]


@pytest.mark.parametrize("last", [CONTINUE, answer(milter.ACCEPT)])
def test_every_edit(last: bytes) -> None:
    with FakeMilter({milter.END_OF_BODY: [*EVERY_EDIT, last]}) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        *applied, (method, body) = talk.edits()
        assert applied == APPLIED
        assert (method, body.data) == ("replace_body", b"new\nbody\n")


def test_values_without_the_added_blank() -> None:
    answers = {milter.END_OF_BODY: [answer(milter.ADD_HEADER, b"X-A", b"a"), CONTINUE]}
    with FakeMilter(answers, steps=milter.LEADING_SPACE) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert talk.edits() == [("add", b"X-A", b"a")]


@pytest.mark.parametrize("last", [answer(milter.REJECT), answer(milter.TEMPFAIL), answer(milter.DISCARD)])
def test_edits_of_who_refuses_are_dropped(last: bytes) -> None:
    with FakeMilter({milter.END_OF_BODY: [*EVERY_EDIT, last]}) as fake, Talk(fake) as talk:
        talk.whole()
        assert talk.client.wanted is None


@pytest.mark.parametrize(("how", "code"), [("tempfail", 451), ("reject", 550)])
def test_quarantine_may_refuse(how: str, code: int) -> None:
    answers = {milter.END_OF_BODY: [*EVERY_EDIT, CONTINUE]}
    with FakeMilter(answers) as fake, Talk(fake, f"quarantine={how}") as talk:
        assert talk.whole() == f"- - - - - {code}"
        assert talk.client.wanted is None


def test_edits_of_one_message_are_not_those_of_the_next() -> None:
    answers = {milter.END_OF_BODY: [[*EVERY_EDIT, CONTINUE], [CONTINUE]]}
    with FakeMilter(answers) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert not talk.client.mail([b"<s>"]) and not talk.client.message(Message())
        assert talk.edits() == []


# Trouble

NONSENSE = [
    [b"\0\0\0\0"],
    [b"\xff\xff\xff\xff"],
    [b"\0\0\0\1?"],
    [b"\0\0\0\2cx"],
    [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    [answer(milter.CONNECTION_FAILURE)],
    [answer(milter.NEGOTIATE, 6, 0, 0, ())],
    [CLOSE],
]


@pytest.mark.parametrize("command", [milter.NEGOTIATE, *STAGES, *IN_MESSAGE[:3]])
@pytest.mark.parametrize("answers", NONSENSE[:6] + NONSENSE[7:])
@pytest.mark.parametrize(("default", "code"), [("tempfail", 451), ("accept", None), ("reject", 550)])
def test_trouble_is_the_default(command: bytes, answers: list[Any], default: str, code: int | None) -> None:
    with FakeMilter({command: answers}) as fake, Talk(fake, f"default={default}") as talk:
        said = talk.whole().split()
        assert set(said) <= {"-", str(code)}
        assert talk.complaints
        assert code is None or said[-1] == str(code)
        assert talk.client.wanted is None


@pytest.mark.parametrize("edit", EVERY_EDIT)
@pytest.mark.parametrize("command", [milter.MAIL, milter.END_OF_HEADER])
def test_edits_before_the_end(edit: bytes, command: bytes) -> None:
    with FakeMilter({command: [edit, CONTINUE]}) as fake, Talk(fake) as talk:
        assert talk.whole().endswith("451")
        assert b"unexpected answer" in talk.complaints[0]


@pytest.mark.parametrize("edit", EVERY_EDIT)
def test_edits_that_were_not_negotiated(edit: bytes) -> None:
    allowed = milter.ALL_ACTIONS & ~milter.ACTION_OF[edit[4:5]]
    with FakeMilter({milter.END_OF_BODY: [edit, CONTINUE]}, actions=allowed) as fake, Talk(fake) as talk:
        assert talk.whole() == "- - - - - 451"
        assert talk.client.wanted is None
        assert b"not negotiated" in talk.complaints[0]


@pytest.mark.parametrize(
    "edit",
    [
        answer(milter.ADD_HEADER, b"", b"no name"),
        answer(milter.ADD_HEADER, b"X: y", b"z"),
        answer(milter.ADD_HEADER, b"X\nY", b"z"),
        answer(milter.ADD_RCPT, b"<" + 900 * b"x" + b">"),
        answer(milter.ADD_RCPT, b"<>"),
        answer(milter.ADD_RCPT_WITH, (b"", b"NOTIFY=NEVER")),
        answer(milter.CHANGE_FROM, (b"<a\nb>",)),
    ],
)
def test_edits_that_no_message_can_have(edit: bytes) -> None:
    with FakeMilter({milter.END_OF_BODY: [*EVERY_EDIT, edit, CONTINUE]}) as fake, Talk(fake) as talk:
        assert talk.whole() == "- - - - - 451"
        assert talk.client.wanted is None


def test_too_many_edits() -> None:
    many = 10_001 * answer(milter.ADD_HEADER, b"X", b"y")
    with FakeMilter({milter.END_OF_BODY: [many, CONTINUE]}) as fake, Talk(fake) as talk:
        assert talk.whole() == "- - - - - 451"


def test_dying_in_the_middle_of_a_new_body() -> None:
    with FakeMilter({milter.END_OF_BODY: [*EVERY_EDIT[:-1], b"\0\0\1\0bhal", CLOSE]}) as fake:
        for default, said in (("tempfail", "451"), ("accept", "-")):
            with Talk(fake, f"default={default}") as talk:
                assert talk.whole() == f"- - - - - {said}"
                assert talk.client.wanted is None


@pytest.mark.parametrize(
    ("version", "actions", "steps"), [(1, 0, 0), (7, 0, 0), (6, 0x200, 0), (6, 0, 0x200000), (0, 0, 0)]
)
def test_a_negotiation_that_asks_for_what_there_is_not(version: int, actions: int, steps: int) -> None:
    with FakeMilter(version=version, actions=actions, steps=steps) as fake, Talk(fake) as talk:
        assert talk.whole() == "451 451 451 451 451 451"


def test_lists_of_macros_need_their_action() -> None:
    with FakeMilter(actions=0xFF, lists=((0, b"j"),)) as fake, Talk(fake) as talk:
        assert talk.whole().startswith("451")


def test_nobody_listens() -> None:
    with Talk(f"inet:127.0.0.1:{closed_port()}") as talk:
        assert talk.whole() == "451 451 451 451 451 451"
        assert talk.complaints[0] == b"Connection refused"
    with Talk("unix:/nowhere/at/all", "default=accept") as talk:
        assert talk.whole() == PASSES
        assert talk.complaints == [b"No such file or directory"] * 2  # at the connection and MAIL


@pytest.mark.parametrize("command", [milter.NEGOTIATE, *STAGES, *IN_MESSAGE[:3]])
def test_a_hung_milter(command: bytes) -> None:
    with FakeMilter({command: [HANG]}) as fake, Talk(fake, "timeout=1 end=1") as talk:
        said = talk.whole().split()
        assert said[-1] == "451"
        where = b", at " + AT[command] if command in AT else b""
        assert b"no answer in time" + where in talk.complaints


def test_an_answer_that_trickles_has_no_more_time() -> None:
    """A byte now and then is no progress."""

    class Trickle(FakeMilter):
        def _answer(self, letter: bytes) -> Any:
            return slowly(self) if letter == milter.MAIL else super()._answer(letter)

    def slowly(fake: FakeMilter) -> Any:
        for byte in answer(milter.REPLY_CODE, 1000 * b"5"):
            if fake._over.wait(0.1):
                return
            yield bytes([byte])

    with Trickle() as fake, Talk(fake, "timeout=1") as talk:
        assert talk.up_to_data() == "- - 451 451 451"
        assert talk.complaints == [b"no answer in time, at MAIL"]


def test_progress_restarts_the_clock() -> None:
    """Three times 1.1 s are more than the three seconds that it has; each of them is far from it."""

    class Slow(FakeMilter):
        def _answer(self, letter: bytes) -> Any:
            return slowly(self) if letter == milter.END_OF_BODY else super()._answer(letter)

    def slowly(fake: FakeMilter) -> Any:
        for _ in range(3):
            fake._over.wait(1.1)
            yield answer(milter.PROGRESS)
        yield CONTINUE

    with Slow() as fake, Talk(fake, "end=3") as talk:
        assert talk.whole() == PASSES


def test_one_that_ends_between_messages_is_connected_again() -> None:
    answers = {milter.END_OF_BODY: [[CONTINUE, CLOSE], [CONTINUE]]}
    with FakeMilter(answers) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        talk.wait_for_its_end()  # a MAIL that crosses it may still be read: see the next test
        assert not talk.client.mail([b"<2>"]) and not talk.client.rcpt([b"<r>"]) and not talk.client.message(Message())
        assert [bytes(b"".join(letter for letter, _ in one)) for one in fake.sessions] == [
            b"OCHMRTLLLNBE",
            b"OCHMRLLLNBE",
        ]


@pytest.mark.parametrize("command", [milter.HELO, milter.MAIL])
def test_one_that_ends_just_when_it_is_spoken_to_is_connected_again(command: bytes) -> None:
    with FakeMilter({command: [[CLOSE], [CONTINUE]]}) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert b"".join(letter for letter, _ in fake.sessions[1] if letter != milter.MACROS) == b"OCHMRTLLLNBE"


def test_it_is_connected_again_once() -> None:
    with FakeMilter({milter.MAIL: [CLOSE]}) as fake, Talk(fake) as talk:
        assert talk.up_to_data() == "- - 451 451 451"
        assert len(fake.sessions) == 2


def test_after_trouble_the_next_message_has_a_new_connection() -> None:
    with FakeMilter({milter.BODY: [[CLOSE], [CONTINUE]]}) as fake, Talk(fake) as talk:
        assert talk.whole() == "- - - - - 451"
        assert not talk.client.mail([b"<2>"]) and not talk.client.rcpt([b"<r>"]) and not talk.client.message(Message())
        assert len(fake.sessions) == 2


def test_what_it_says_unasked_ends_the_connection() -> None:
    with FakeMilter({milter.END_OF_BODY: [CONTINUE + CONTINUE]}) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert not talk.client.mail([b"<2>"])
        assert len(fake.sessions) == 2


@pytest.mark.parametrize("command", [milter.HELO, milter.MAIL, milter.RCPT, milter.DATA, milter.HEADER])
@pytest.mark.parametrize("default", ["tempfail", "reject"])
def test_no_verdict_is_the_answer_to_an_earlier_command(command: bytes, default: str) -> None:
    """A milter that answers twice is out of step: its last answers would never be read, and its refusal with them."""
    answers: dict[bytes, Any] = {command: [CONTINUE + CONTINUE], milter.END_OF_BODY: [answer(milter.REJECT)]}
    with FakeMilter(answers) as fake, Talk(fake, f"default={default}") as talk:
        assert talk.whole().endswith("451" if default == "tempfail" else "550")
        [complaint] = talk.complaints
        assert complaint.startswith(b"answer b'c', but nothing was asked, at ")


def test_progress_that_comes_late_does_no_harm() -> None:
    late = CONTINUE + answer(milter.PROGRESS)
    with FakeMilter(dict.fromkeys((milter.RCPT, milter.DATA, milter.HEADER), [late])) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        assert not talk.complaints


def test_a_new_connection_may_be_refused() -> None:
    answers: dict[bytes, Any] = {milter.CONNECT: [[CONTINUE], [answer(milter.REJECT)]]}
    answers[milter.END_OF_BODY] = [CONTINUE, CLOSE]
    with FakeMilter(answers) as fake, Talk(fake) as talk:
        assert talk.whole() == PASSES
        refused = talk.client.mail([b"<2>"])
        assert refused is not None and refused.code == 550


def test_one_that_is_asked_late_hears_connect_and_helo_first() -> None:
    with FakeMilter() as fake, Talk(fake) as talk:
        talk.client.about(ABOUT, b"me")
        assert not talk.client.mail([b"<s>"])
        assert fake.letters() == b"OCHM"


def test_a_flood_has_no_more_time_than_silence() -> None:
    """A body that never ends, as fast as it can: there is always a byte more."""

    class Flood(FakeMilter):
        def _answer(self, letter: bytes) -> Any:
            return endlessly(self) if letter == milter.END_OF_BODY else super()._answer(letter)

    def endlessly(fake: FakeMilter) -> Any:
        while not fake._over.is_set():
            yield 100 * answer(milter.REPLACE_BODY, b"")

    with Flood() as fake, Talk(fake, "end=1") as talk:
        assert talk.whole() == "- - - - - 451"
        assert talk.complaints == [b"no answer in time, at the end of the message"]


def test_a_full_backlog_is_waited_for(tmp_path: Path) -> None:
    """A Unix socket whose queue is full refuses at once; there is room once the milter takes a connection."""
    path = tmp_path / "full"
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(str(path))
        listener.listen(0)
        for _ in range(2):
            other = stack.enter_context(socket.socket(socket.AF_UNIX))
            other.setblocking(False)
            other.connect_ex(str(path))
        with Talk(f"unix:{path}", "connect=1 timeout=1") as talk:
            assert talk.client.connect(ABOUT) is not None
            assert talk.complaints == [b"Resource temporarily unavailable"]
        room = threading.Timer(0.2, lambda: listener.accept()[0].close())
        room.start()
        with Talk(f"unix:{path}", "connect=20 timeout=1") as talk:
            assert talk.client.connect(ABOUT) is not None
            assert talk.complaints == [b"no answer in time"]  # it was let in, but nobody speaks to it
        room.join()
