"""The view of a held message, and what edits make of it, beside a model that is slow and plain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qmail_smtpd.programs.spool import Spool
from qmail_smtpd.session import edits as session_edits
from qmail_smtpd.session.edits import Edits
from qmail_smtpd.session.held import LARGEST_HEADER, LINE_COSTS, HeaderTooLarge, Held, read

TRACE = b"Received: from client\n          by us\n"
RBL = b"X-RBL: (list) tells us no\n"
ADDED = b"X-Policy: seen\n folded\n"
TEXT = b"Subject: one\nto: a\n b\nSubject : two\nX:\n\nbody\nmore\n"


@contextmanager
def message(text: bytes = TEXT, lines: bytes = b"") -> Iterator[Held]:
    spool = Spool(b"/var/tmp")
    spool.write(text)
    yield read(lines, TRACE, spool)
    spool.close()


def stored(held: Held) -> bytes:
    return b"".join(held.stored())


def body(held: Held) -> bytes:
    return b"".join(held.body())


def edits() -> Edits:
    return Edits(lambda: Spool(b"/var/tmp"))


# What is seen


def test_fields_size_and_body() -> None:
    with message() as held:
        assert held.fields == [(b"Subject", b" one"), (b"to", b" a\n b"), (b"Subject", b" two"), (b"X", b"")]
        assert held.size == len(TEXT)
        assert body(held) == body(held) == b"body\nmore\n"
        assert stored(held) == TRACE + TEXT


@pytest.mark.parametrize(
    ("text", "fields", "rest"),
    [
        (b"", [], b""),
        (b"\n", [], b""),
        (b"\n\nA: b\n", [], b"\nA: b\n"),
        (b"no field\nA: b\n\nbody\n", [], b"no field\nA: b\n\nbody\n"),
        (b" folded\nA: b\n", [], b" folded\nA: b\n"),
        (b"A: b\nno field\nC: d\n\nbody\n", [(b"A", b" b")], b"no field\nC: d\n\nbody\n"),
        (b"A: b\n", [(b"A", b" b")], b""),
        (b"A: b\n\t\n \n\nbody\n", [(b"A", b" b\n\t\n ")], b"body\n"),
        (b": b\n", [], b": b\n"),
        (b"A b: c\n", [], b"A b: c\n"),
        (b"A\xff: c\n", [], b"A\xff: c\n"),
        (b"A: \0\xff\r\n\nb\n", [(b"A", b" \0\xff\r")], b"b\n"),
    ],
)
def test_where_the_header_ends(text: bytes, fields: list[tuple[bytes, bytes]], rest: bytes) -> None:
    with message(text) as held:
        assert (held.fields, body(held), held.size) == (fields, rest, len(text))


ODD = st.lists(st.sampled_from([b"A: b", b" c", b"", b"no field", b"X-RBL: x", b":", b"d:", b"\r", b"\t"]), max_size=8)


@given(ODD, ODD)
@example([b"A: b"], [b"", b"x"])
def test_what_nobody_edits_is_stored_as_it_came(lines: list[bytes], added: list[bytes]) -> None:
    text, above = (b"".join(line + b"\n" for line in some) for some in (lines, added))
    with message(text, above) as held:
        assert stored(held) == above + TRACE + text
        assert stored(edits().apply(held, b"", []).held()) == above + TRACE + text


def test_ours_is_not_shown_but_what_checks_have_added_is() -> None:
    with message(lines=RBL + ADDED) as held:
        assert held.fields[:2] == [(b"X-Policy", b" seen\n folded"), (b"Subject", b" one")]
        assert held.size == len(ADDED + TEXT)
        assert stored(held) == RBL + ADDED + TRACE + TEXT


def test_lines_that_are_no_fields_are_written_and_not_shown() -> None:
    with message(lines=b"A: b\nno field") as held:
        assert held.fields[0] == (b"A", b" b")
        assert stored(held) == b"A: b\nno field" + TRACE + TEXT


def test_a_header_has_a_bound() -> None:
    most = LARGEST_HEADER // (4 + LINE_COSTS)
    with message(b"A:b\n" * most + b"\nbody\n") as held:
        assert len(held.fields) == most
    with pytest.raises(HeaderTooLarge), message(b"A:b\n" * (most + 1) + b"\nbody\n"):
        pass
    with pytest.raises(HeaderTooLarge), message((b"A:" + b"b" * 9000 + b"\n") * 200):
        pass
    with message(b"A: b\n\n" + b"x" * LARGEST_HEADER * 2) as held:
        assert held.fields == [(b"A", b" b")]


# What edits make of it


def edited(*made: tuple[object, ...], text: bytes = TEXT, lines: bytes = b"") -> bytes:
    """What is stored after these edits, without our trace."""
    with message(text, lines) as held:
        noted = edits()
        for name, *arguments in made:
            getattr(noted, str(name))(*arguments)
        before = stored(held)
        draft = noted.apply(held, b"", [])
        assert stored(held) == before, "the message itself never changes"
        after = stored(draft.held())
        assert after.count(TRACE) == 1
        return after.replace(TRACE, b"<>\n")


SHORT = b"A: 1\nB: 2\na: 3\n\nbody\n"


@pytest.mark.parametrize(
    ("made", "result"),
    [
        ([("add_top", b"X", b" 1"), ("add_top", b"Y", b" 2")], b"Y: 2\nX: 1\n<>\nA: 1\nB: 2\na: 3\n\nbody\n"),
        ([("insert", 0, b"X", b" 1")], b"X: 1\n<>\nA: 1\nB: 2\na: 3\n\nbody\n"),
        ([("insert", 1, b"X", b" 1")], b"<>\nX: 1\nA: 1\nB: 2\na: 3\n\nbody\n"),
        ([("insert", 3, b"X", b" 1")], b"<>\nA: 1\nB: 2\nX: 1\na: 3\n\nbody\n"),
        ([("insert", 99, b"X", b" 1")], b"<>\nA: 1\nB: 2\na: 3\nX: 1\n\nbody\n"),
        ([("insert", -1, b"X", b" 1")], b"X: 1\n<>\nA: 1\nB: 2\na: 3\n\nbody\n"),
        ([("add", b"X", b"1")], b"<>\nA: 1\nB: 2\na: 3\nX:1\n\nbody\n"),
        ([("change", b"a", 2, b" new")], b"<>\nA: 1\nB: 2\na: new\n\nbody\n"),
        ([("change", b"a", 0, b" new")], b"<>\na: new\nB: 2\na: 3\n\nbody\n"),
        ([("change", b"A", 3, b" new")], b"<>\nA: 1\nB: 2\na: 3\nA: new\n\nbody\n"),
        ([("delete", b"A", 2)], b"<>\nA: 1\nB: 2\n\nbody\n"),
        ([("delete", b"A", 1), ("delete", b"A", 1)], b"<>\nB: 2\n\nbody\n"),
        ([("delete_fields", b"a", (1, 2, 3))], b"<>\nB: 2\n\nbody\n"),
        ([("delete_fields", b"A", (3, 9)), ("delete", b"A", 1)], b"<>\nB: 2\na: 3\n\nbody\n"),
        ([("delete_fields", b"Received", (1,))], b"<>\nA: 1\nB: 2\na: 3\n\nbody\n"),
        ([("delete", b"A", 3), ("delete", b"Received", 1)], b"<>\nA: 1\nB: 2\na: 3\n\nbody\n"),
        ([("replace_body", [b"new", b" text"])], b"<>\nA: 1\nB: 2\na: 3\n\nnew text\n"),
        ([("replace_body", [b"new\n"]), ("replace_body", [])], b"<>\nA: 1\nB: 2\na: 3\n\n"),
        ([("add", b"X", b" 1\r\n2\n\t3\r4\n\n")], b"<>\nA: 1\nB: 2\na: 3\nX: 1\n\t2\n\t3\n\t4\n\nbody\n"),
        ([("add", b"X", b" 1\n\n2")], b"<>\nA: 1\nB: 2\na: 3\nX: 1\n\t\n\t2\n\nbody\n"),
    ],
)
def test_each_edit(made: list[tuple[object, ...]], result: bytes) -> None:
    assert edited(*made, text=SHORT) == result


def test_the_order_of_the_stored_message() -> None:
    made = [("add_top", b"A", b" 1"), ("add_top", b"B", b" 2")]
    assert edited(*made, text=SHORT, lines=RBL) == b"B: 2\nA: 1\n" + RBL + b"<>\n" + SHORT


def test_what_is_ours_cannot_be_changed() -> None:
    assert edited(("delete", b"X-RBL", 1), text=SHORT, lines=RBL) == RBL + b"<>\n" + SHORT
    assert edited(("delete", b"X-RBL", 1), text=b"x-rbl: theirs\n" + SHORT, lines=RBL) == RBL + b"<>\n" + SHORT


@pytest.mark.parametrize("text", [b"", b"text\n", b"A: b\n"])
def test_a_field_does_not_run_into_what_is_no_header(text: bytes) -> None:
    """Nothing parts header and body in these, so it would be taken for the body, or the body for more of it."""
    header, rest = (text, b"") if text.startswith(b"A") else (b"", text)
    assert edited(("add", b"X", b" 1"), text=text) == b"<>\n" + header + b"X: 1\n\n" + rest


def test_the_envelope() -> None:
    noted = edits()
    noted.sender(b"new@sender.example")
    noted.remove_recipient(b"a@EXAMPLE.org")
    noted.remove_recipient(b"B@example.org")
    noted.add_recipient(b"c@example.org")
    noted.add_recipient(b"c@Example.Org")
    noted.add_recipient(b"plain")
    with message() as held:
        recipients = [b"a@example.org", b"b@example.org"]
        draft = noted.apply(held, b"s@sender.example", recipients)
    assert draft.sender == b"new@sender.example"
    assert draft.recipients == [b"b@example.org", b"c@example.org", b"plain"]
    assert recipients == [b"a@example.org", b"b@example.org"]
    assert not draft.discarded


def test_a_recipient_that_came_twice_goes_twice() -> None:
    noted = edits()
    for address in (b"b@example.org", b"a@example.org"):
        noted.remove_recipient(address)
        noted.add_recipient(address)
        noted.add_recipient(address)
    with message() as held:
        came = [b"a@example.org", b"c@example.org", b"a@EXAMPLE.org", b"b@example.org"]
        assert noted.apply(held, b"", came).recipients == [b"c@example.org", b"b@example.org", b"a@example.org"]


def test_exchanging_many_recipients_compares_each_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may name a hundred thousand, and a milter may put others in their place."""
    compared = 0
    real = session_edits.split

    def counted(address: bytes) -> tuple[bytes, bytes | None]:
        nonlocal compared
        compared += 1
        return real(address)

    monkeypatch.setattr(session_edits, "split", counted)
    noted, many = edits(), [b"u%d@example.org" % number for number in range(500)]
    for address in many:
        noted.remove_recipient(address)
        noted.add_recipient(b"new-" + address)
    with message() as held:
        assert noted.apply(held, b"", many).recipients == [b"new-" + address for address in many]
    assert compared <= 3 * len(many)


@pytest.mark.parametrize("name", [b"", b"A b", b"A:", b"A\n", b"A\xff", b"\t"])
def test_what_cannot_be_a_field(name: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a field"):
        edits().add(name, b" x")


@pytest.mark.parametrize("address", [b"a\0Tb@c", b"a\n@b", b"a" * 900])
def test_what_cannot_be_an_address(address: bytes) -> None:
    for take in (edits().sender, edits().add_recipient):
        with pytest.raises(ValueError, match="cannot be an address"):
            take(address)


def test_only_a_sender_may_be_empty() -> None:
    edits().sender(b"")
    with pytest.raises(ValueError, match="cannot be an address"):
        edits().add_recipient(b"")


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (b" " + b"x" * 995, [b"A: " + b"x" * 995]),
        (b" " + b"x" * 996, [b"A:", b" " + b"x" * 996]),
        (b" " + b"x" * 2000 + b" y", [b"A:", b" " + b"x" * 2000 + b" y"]),
        (b" one" + b" " * 2000, [b"A: one" + b" " * 992, b" " * 1008]),
        (b" word" * 400, [b"A:" + b" word" * 199, b" word" * 199, b" word" * 2]),
        (b" a\n " + b"b " * 600, [b"A: a", b" " + b"b " * 498 + b"b", b" " + b"b " * 101]),
    ],
)
def test_long_lines_go_on_in_others(value: bytes, lines: list[bytes]) -> None:
    noted = edits()
    noted.add(b"A", value)
    with message(b"") as held:
        header = b"".join(field.raw for field in noted.apply(held, b"", []).held().entries if not field.ours)
    assert header.replace(b"\n", b"") == b"A:" + value.replace(b"\n", b"")
    assert header.split(b"\n")[:-1] == lines


def test_each_edit_is_described() -> None:
    noted = edits()
    assert not noted
    noted.insert(1, b"X", b" 1\n 2")
    noted.delete(b"Y", 2)
    noted.delete_fields(b"Z", [1, 2, 4])
    noted.replace_body([b"secret"])
    noted.sender(b"a@b")
    noted.discard()
    assert noted
    told = [
        b"insert 1 X: 1\n 2",
        b"delete 2 Y",
        b"delete fields 3 Z",
        b"replace body",
        b"change sender a@b",
        b"discard",
    ]
    assert [line.rstrip() for line in noted.described()] == told


# Beside a model: three lists of (name, value), and the rules once more

NAMES = st.sampled_from([b"A", b"a", b"B", b"X-RBL", b"Received"])
VALUES = st.sampled_from([b" 1", b"", b" 2\n 3"])
NUMBERS = st.integers(-1, 5)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=5)
MADE = st.one_of(
    st.tuples(st.just("add_top"), NAMES, VALUES),
    st.tuples(st.just("insert"), NUMBERS, NAMES, VALUES),
    st.tuples(st.just("add"), NAMES, VALUES),
    st.tuples(st.just("change"), NAMES, NUMBERS, VALUES),
    st.tuples(st.just("delete"), NAMES, NUMBERS),
    st.tuples(st.just("replace_body"), st.lists(st.sampled_from([b"x\n", b"y", b""]), max_size=3)),
)

Fields = list[tuple[bytes, bytes]]


class Model:
    def __init__(self, below: Fields) -> None:
        self.above: Fields = []
        self.below = list(below)
        self.body = b"body\n"

    def add_top(self, name: bytes, value: bytes) -> None:
        self.above = [(name, value), *self.above]

    def insert(self, index: int, name: bytes, value: bytes) -> None:
        if index <= 0:
            self.add_top(name, value)
        else:
            self.below = [*self.below[: index - 1], (name, value), *self.below[index - 1 :]]

    def add(self, name: bytes, value: bytes) -> None:
        self.below = [*self.below, (name, value)]

    def change(self, name: bytes, n: int, value: bytes) -> None:
        if not self._replace(name, n, [(name, value)]):
            self.add(name, value)

    def delete(self, name: bytes, n: int) -> None:
        self._replace(name, n, [])

    def replace_body(self, chunks: list[bytes]) -> None:
        self.body = b"".join(chunks)
        if self.body and self.body[-1:] != b"\n":
            self.body += b"\n"

    def _replace(self, name: bytes, n: int, by: Fields) -> bool:
        seen = 0
        for fields in (self.above, self.below):
            for place, (other, _) in enumerate(fields):
                seen += other.lower() == name.lower()
                if other.lower() == name.lower() and seen == max(n, 1):
                    fields[place : place + 1] = by
                    return True
        return False

    def text(self, between: bytes) -> bytes:
        return lines(self.above) + between + lines(self.below) + b"\n" + self.body


def lines(fields: Fields) -> bytes:
    return b"".join(b"%b:%b\n" % field for field in fields)


@given(FIELDS, st.lists(MADE, max_size=8), st.booleans(), st.integers(0, 8))
def test_as_the_model_says(fields: Fields, made: list[tuple[object, ...]], rbl: bool, cut: int) -> None:
    """All at once, or by two checks one after the other, the second on what the first has made."""
    model = Model(fields)
    ours = RBL if rbl else b""
    with message(lines(fields) + b"\nbody\n", ours) as held:
        for part in (made[:cut], made[cut:]):
            noted = edits()
            for name, *arguments in part:
                getattr(noted, str(name))(*arguments)
                getattr(model, str(name))(*arguments)
            held = noted.apply(held, b"", []).held()
        assert stored(held) == model.text(ours + TRACE)
        assert held.fields == model.above + model.below
        assert body(held) == model.body
        assert held.size == len(model.text(b""))
