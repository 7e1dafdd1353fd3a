"""control/badmailpatterns: wildcards, exemptions, and the last line that matches decides (SPEC section 5, MAIL 6a)."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmail_smtpd.checkers._wildcards import compile_pattern, matches

from ..support.home import Home, codes
from ..support.inprocess import play


def refused(sender: str, *lines: str, **control: bytes) -> bool:
    """Whether MAIL is refused with these lines."""
    text = "".join(line + "\n" for line in lines).encode("latin1")
    said = f"C: MAIL FROM:<{sender}>\nC: RSET\n"
    try:
        play(f"{said}S: 553 (#5.7.1)\nS: 250", {"badmailpatterns": text, **control})
    except AssertionError:
        play(f"{said}S: 250\nS: 250", {"badmailpatterns": text, **control})
        return False
    return True


@pytest.mark.parametrize(
    ("pattern", "sender", "matched"),
    [
        # the whole address, not a part of it
        ("spam@evil.example", "spam@evil.example", True),
        ("spam@evil.example", "spam@evil.example.org", False),
        ("evil.example", "spam@evil.example", False),
        # any bytes
        ("*@evil.example", "spam@evil.example", True),
        ("*@evil.example", r"\@evil.example", True),
        ("*@evil.example", "spam@not-evil.example", False),
        ("*evil.example", "spam@not-evil.example", True),
        ("spam*", "spam@evil.example", True),
        ("*", "a", True),
        ("**", "a@b", True),
        ("*a*b*c*", "xaxbxcx", True),
        ("*a*b*c*", "xaxcxbx", False),
        ("*.*.*@*", "a.b.c@x", True),
        ("*.*.*@*", "a.b@x.y", False),
        # one byte
        ("s?am@*", "spam@x", True),
        ("s?am@*", "sam@x", False),
        ("????", "abcd", True),
        ("????", "abc", False),
        ("????", "abcde", False),
        # one of
        ("[a-c]@x", "b@x", True),
        ("[a-c]@x", "d@x", False),
        ("[a-c0-9]@x", "7@x", True),
        ("[abc]@x", "c@x", True),
        ("[abc]@x", "abc@x", False),
        ("user[0-9][0-9]@x", "user42@x", True),
        ("user[0-9][0-9]@x", "user4@x", False),
        ("[-a]@x", "-@x", True),
        ("[a-]@x", "-@x", True),
        ("[]a]@x", "]@x", True),
        ("[]a]@x", "a@x", True),
        ("[.]@x", "x@x", False),
        ("*@*[0-9]*", "a@mail4.example", True),
        ("[*]@x", "*@x", True),
        ("[*]@x", "a@x", False),
        ("[?]@x", "a@x", False),
        # none of
        ("[^a-z]*", "1@x", True),
        ("[^a-z]*", "b@x", False),
        ("[^]a]@x", "]@x", False),
        ("[^]a]@x", "b@x", True),
        ("[a^]@x", "^@x", True),
        # quoted
        (r"a\*@x", "a*@x", True),
        (r"a\*@x", "ab@x", False),
        (r"a\?@x", "a?@x", True),
        (r"a\?@x", "ab@x", False),
        (r"\[a]@x", "[a]@x", True),
        (r"\[a]@x", "a@x", False),
        # whatever the case
        ("*@EVIL.example", "spam@evil.EXAMPLE", True),
        ("[A-C]@x", "b@x", True),
        ("[a-c]@x", "B@x", True),
        ("[^a-c]@x", "B@x", False),
        # bytes
        ("*\xff*", "a\xff@x", True),
        ("\xe9?@x", "\xe9\xff@x", True),
    ],
)
def test_patterns(pattern: str, sender: str, matched: bool) -> None:
    assert refused(sender, pattern) is matched


def test_a_quoted_backslash() -> None:
    """The client quotes it for its own syntax, the pattern for its."""
    assert refused(r"a\\b@x", r"a\\b@x")
    assert not refused(r"acb@x", r"a\\b@x")


def test_a_quoted_exclamation_mark_is_none() -> None:
    assert refused("!a@x", r"\!a@x")
    assert not refused("a@x", r"\!a@x")


@pytest.mark.parametrize(
    ("lines", "sender", "verdict"),
    [
        (["*@evil.example", "!friend@evil.example"], "friend@evil.example", False),
        (["*@evil.example", "!friend@evil.example"], "spam@evil.example", True),
        (["!friend@evil.example", "*@evil.example"], "friend@evil.example", True),
        (["*", "!*@good.example", "bad@good.example"], "bad@good.example", True),
        (["*", "!*@good.example", "bad@good.example"], "ok@good.example", False),
        (["*", "!*@good.example", "bad@good.example"], "x@y.example", True),
        (["!*", "*"], "x@y", True),
        (["*", "!*"], "x@y", False),
        (["!x@y"], "x@y", False),
        (["!x@y"], "z@y", False),
        (["a@x", "a@x", "!a@x", "a@x"], "a@x", True),
    ],
)
def test_the_last_line_that_matches_decides(lines: list[str], sender: str, verdict: bool) -> None:
    assert refused(sender, *lines) is verdict


@pytest.mark.parametrize("pattern", ["*", "", "**", "[^a]*", "!*"])
def test_the_empty_sender_never_matches(pattern: str) -> None:
    assert not refused("", pattern)


def test_comments_blanks_and_empty_lines() -> None:
    assert refused("a@x", "# a comment", "", "a@x \t", "   ")
    assert not refused("# a comment", "# a comment")


def test_badmailfrom_comes_first_and_no_exemption_undoes_it() -> None:
    assert refused("spam@evil.example", "!*", badmailfrom=b"@evil.example\n")
    assert not refused("spam@other.example", "!*", badmailfrom=b"@evil.example\n")


def test_goodmailfrom_excuses() -> None:
    assert not refused("good@evil.example", "*@evil.example", goodmailfrom=b"good@evil.example\n")


def test_a_refused_mail_leaves_the_transaction_open() -> None:
    play(
        """
        C: MAIL FROM:<s@sender.example>
        S: 250
        C: MAIL FROM:<spam@evil.example>
        S: 553 (#5.7.1)
        C: RCPT TO:<u@example.org>
        S: 250
        """,
        {"badmailpatterns": b"*@evil.*\n"},
    )


def test_in_the_real_program(home: Home) -> None:
    home.control("badmailpatterns", "*@evil.*\n!friend@*\n*[0-9][0-9][0-9]*@*\n")
    said = "".join(
        f"MAIL FROM:<{sender}>\r\n"
        for sender in ("spam@evil.example", "friend@evil.example", "friend123@x.example", "jo@x.example", "")
    )
    session = home.smtp(said + "QUIT\r\n")
    assert codes(session.stdout) == [220, 553, 250, 553, 250, 250, 221]
    assert b"control/badmailpatterns:1" in session.stderr


# The matcher by itself

letters = st.text(alphabet="ab-]^", max_size=4)
pieces = st.one_of(
    st.sampled_from(["*", "?", "a", "b", "ab"]),
    letters.filter(lambda t: t and t[0] not in "^]" and "-" not in t).map("[{}]".format),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(pieces, max_size=8).map("".join), st.text(alphabet="ab]^", max_size=10))
def test_like_the_library_where_both_mean_the_same(pattern: str, text: str) -> None:
    if "]]" in pattern or "[]" in pattern:
        pattern = pattern.replace("]", "")
    if "[" in pattern and "]" not in pattern:
        pattern = pattern.replace("[", "")
    assert matches(compile_pattern(pattern.encode()), text.encode()) is fnmatch.fnmatchcase(text, pattern)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=20))
def test_everything_quoted_is_itself(text: bytes) -> None:
    quoted = b"".join(b"\\" + bytes([byte]) for byte in text)
    assert matches(compile_pattern(quoted), text)
    assert not matches(compile_pattern(quoted), text + b"x")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=20), st.binary(max_size=20))
def test_any_pattern_is_a_pattern(pattern: bytes, text: bytes) -> None:
    """However odd, it compiles and it decides."""
    assert matches(compile_pattern(pattern), text) in (True, False)
    assert matches(compile_pattern(b"*" + pattern + b"*"), pattern + text + pattern) in (True, False)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([b"*", b"?", b"[ab]", b"[^a]", b"a", b"b"]), max_size=8), st.binary(max_size=12))
def test_like_a_matcher_that_tries_everything(pattern: list[bytes], odd: bytes) -> None:
    def tries(places: list[bytes], text: bytes) -> bool:
        if not places:
            return not text
        if places[0] == b"*":
            return any(tries(places[1:], text[at:]) for at in range(len(text) + 1))
        allowed = {b"?": range(256), b"[ab]": b"ab", b"[^a]": set(range(256)) - {97}}.get(places[0], places[0])
        return bool(text) and text[0] in allowed and tries(places[1:], text[1:])  # type: ignore[operator]

    for text in (odd, odd.translate(bytes(97 + byte % 3 for byte in range(256)))):
        assert matches(compile_pattern(b"".join(pattern)), text) is tries(pattern, text)


def test_many_stars_take_no_time_to_speak_of() -> None:
    """Backtracking that doubles with each star would not come to an end here."""
    assert not matches(compile_pattern(b"*a" * 200 + b"b"), b"a" * 899)
