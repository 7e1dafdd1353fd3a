"""Every reply that can be sent is one well-formed reply."""

from __future__ import annotations

import pytest

from qmail_smtpd.smtp import replies
from qmail_smtpd.smtp.replies import LONGEST, MultilineReply, Reply, printable

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
