"""Every reply that can be sent is one well-formed reply."""

from __future__ import annotations

import pytest

from qmail_smtpd.smtp import replies
from qmail_smtpd.smtp.replies import LONGEST, MultilineReply, Reply, code_of, printable

NAMED = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}


@pytest.mark.parametrize("name", NAMED)
def test_named_replies(name: str) -> None:
    """Printable, with its code's class in the enhanced code, and short enough to be read by anybody."""
    reply = NAMED[name]
    lines = reply.encode().decode("ascii").split("\r\n")
    assert lines.pop() == ""
    assert all(line[:3] == str(reply.code) and line.isprintable() and len(line) < 200 for line in lines)
    assert [line[3] for line in lines] == ["-"] * (len(lines) - 1) + [" "]
    if reply.esc:
        assert reply.esc[:1].decode() == str(reply.code)[0] or name in ("AUTH_MALFORMED", "AUTH_ABORTED")
    assert reply.refuses is (reply.code >= 400)


def test_no_two_names_for_one_text() -> None:
    texts = [reply.encode() for reply in NAMED.values()]
    assert len(set(texts)) == len(texts)


def test_the_enhanced_code_stands_at_the_end() -> None:
    assert Reply(553, b"no", b"5.7.1").encode() == b"553 no (#5.7.1)\r\n"
    assert Reply(250, b"ok").encode() == b"250 ok\r\n"


def test_long_texts_are_cut_and_keep_their_code() -> None:
    line = Reply(553, b"x" * 2000, b"5.7.1").line()
    assert len(line) == LONGEST
    assert line.endswith(b"x (#5.7.1)")


@pytest.mark.parametrize(("raw", "text"), [(b"a\r\nb", b"a  b"), (b"\0\x1f\x7f", b"   "), (b"\xff~ ", b"\xff~ ")])
def test_printable(raw: bytes, text: bytes) -> None:
    assert printable(raw) == text


def test_many_lines() -> None:
    assert MultilineReply(250, b"me", [b"A", b"B"]).encode() == b"250-me\r\n250-A\r\n250 B\r\n"
    assert MultilineReply(250, b"me", []).encode() == b"250 me\r\n"


def test_the_promise_keeps_its_form() -> None:
    assert replies.queued(1700000000, 42, b"mx.example").line().startswith(b"250 ok 1700000000 qp 42")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"550", 550),
        (b"400 x", 400),
        (b"599-x", 599),
        (b"451\t", 451),
        (b"550 5.7.1 no", 550),
        *[
            (text, None)
            for text in (b"", b"5", b"55", b"R", b"55 x", b"5 50", b"5500", b"550x", b"399 x", b"600", b"250")
        ],
        *[(text, None) for text in (b"-55", b"+55", b" 550", b"5_5", b"\xb25\xb2")],
    ],
)
def test_the_code_of_a_foreign_reply(text: bytes, code: int | None) -> None:
    """Exactly three digits, 400 to 599: half a refusal never accepts (issue 11, point 4)."""
    assert code_of(text) == code
