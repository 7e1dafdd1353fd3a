"""Who a message says it is from: the grammar of RFC 5322, its obsolete forms, RFC 6854, and hostile fields."""

from __future__ import annotations

import email.policy
from email.parser import BytesHeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.mailauth.from_field import LONGEST, NoAuthor, author_domain, domains
from qmail_smtpd.mailauth.names import canonical, within
from qmail_smtpd.mailauth.tokens import Unreadable

READABLE: tuple[tuple[bytes, bytes], ...] = (
    (b" user@example.org", b"example.org"),
    (b" User Name <user@Example.ORG>", b"example.org"),
    (b' "Name, Other" <user@example.org>', b"example.org"),
    (b' "he said \\"hi\\" <a@evil.test>" <user@example.org>', b"example.org"),
    (b" <user@example.org>", b"example.org"),
    (b" John Q. Public <user@example.org>", b"example.org"),
    (b" =?utf-8?q?evil=40evil.test?= <user@example.org>", b"example.org"),
    (b" =?utf-8?B?w6Q=?=\n =?utf-8?B?w7Y=?= <user@example.org>", b"example.org"),
    (b" J\xc3\xbcrgen <user@example.org>", b"example.org"),
    (b" (a@evil.test (nested \\) <b@evil.test>)) user@example.org (x)", b"example.org"),
    (b" user (c) @ (c) example (c) . (c) org", b"example.org"),
    (b" Name\n\t<user@example.org>\n ", b"example.org"),
    (b' "a@evil.test"@example.org', b"example.org"),
    (b' "a b".c@example.org', b"example.org"),
    (b" <@evil.test,@other.test:user@example.org>", b"example.org"),
    (b" one@example.org, Two <two@EXAMPLE.org>", b"example.org"),
    (b" , one@example.org,, two@example.org ,", b"example.org"),
    (b" Group: one@example.org, Two <two@example.org>;", b"example.org"),
    (b' "Empty": ;, one@example.org', b"example.org"),
    (b" user@b\xc3\xbccher.example", b"xn--bcher-kva.example"),
    (b" user@xn--bcher-kva.example", b"xn--bcher-kva.example"),
)
UNREADABLE: tuple[tuple[bytes, str], ...] = (
    (b"", "no address"),
    (b" ,,", "no address"),
    (b" undisclosed:;", "no address"),
    (b" user", "cannot be read"),
    (b" <>", "cannot be read"),
    (b" @example.org", "cannot be read"),
    (b" user@", "cannot be read"),
    (b" user@example..org", "cannot be read"),
    (b" user@.example.org", "cannot be read"),
    (b" user@example.org.", "cannot be read"),
    (b" .user@example.org", "cannot be read"),
    (b" user@[192.0.2.1]", "cannot be read"),
    (b' user@"example.org"', "cannot be read"),
    (b" a@evil.test <user@example.org>", "cannot be read"),
    (b" user@example.org <a@evil.test>", "cannot be read"),
    (b" user@example.org@evil.test", "cannot be read"),
    (b" user@example.org a@evil.test", "cannot be read"),
    (b" user@example.org; a@evil.test", "cannot be read"),
    (b" two words@example.org", "cannot be read"),
    (b" <user@example.org> <a@evil.test>", "cannot be read"),
    (b" <user@example.org", "cannot be read"),
    (b" user@example.org>", "cannot be read"),
    (b" <user@example.org:a@evil.test>", "cannot be read"),
    (b" <@evil.test user@example.org>", "cannot be read"),
    (b" (user@example.org", "cannot be read"),
    (b" (\\", "cannot be read"),
    (b' "user@example.org', "cannot be read"),
    (b' "user@example.org\\', "cannot be read"),
    (b" user)@example.org", "cannot be read"),
    (b" us\\er@example.org", "cannot be read"),
    (b" user@exam\0ple.org", "cannot be read"),
    (b' "us\0er" <user@example.org>', "cannot be read"),
    (b" user@example.org\r, a@evil.test", "cannot be read"),
    (b" Group: In: a@example.org;;", "cannot be read"),
    (b" Group: a@example.org", "cannot be read"),
    (b" : a@example.org;", "cannot be read"),
    (b" user@" + b"a" * 64 + b".org", "cannot be read"),
    (b" user@" + b"a.b." * 70 + b"org", "cannot be read"),
    (b" user@fa\xc3\x9f.example", "cannot be read"),  # fass.example is somebody else
    (b" user@\xff.example", "cannot be read"),
    (b" one@example.org, two@evil.test", "several domains"),
    (b" G: one@example.org;, two@sub.example.org", "several domains"),
    (b" " * LONGEST + b" user@example.org", "too long"),
)


@pytest.mark.parametrize(("value", "domain"), READABLE)
def test_one_domain(value: bytes, domain: bytes) -> None:
    assert author_domain([(b"To", b" x@evil.test"), (b"From", value)]) == domain


@pytest.mark.parametrize(("value", "why"), UNREADABLE)
def test_no_domain(value: bytes, why: str) -> None:
    with pytest.raises(NoAuthor, match=why):
        author_domain([(b"From", value)])


def test_no_field() -> None:
    with pytest.raises(NoAuthor, match="no From field"):
        author_domain([(b"Sender", b" user@example.org"), (b"Resent-From", b" user@example.org")])


def test_several_fields() -> None:
    with pytest.raises(NoAuthor, match="several From fields"):
        author_domain([(b"From", b" user@example.org"), (b"fRoM ", b" user@example.org")])


@pytest.mark.parametrize(
    "text", [b"(" * 60000, b"(" * 30000 + b")" * 30000, b'"\\' * 30000, b"<" * 60000, b"a." * 30000]
)
def test_what_is_long_and_nested_ends_soon(text: bytes) -> None:
    with pytest.raises(NoAuthor):
        author_domain([(b"From", text)])


PIECES = [b"b.c", b"\n ", *(b"%c" % byte for byte in b'a@<>,;:"\\()[] \0\xfc')]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
def test_anything_is_read_or_is_unreadable(value: bytes) -> None:
    try:
        found = domains(value)
    except Unreadable:
        return
    assert all(canonical(domain) == domain for domain in found)


WORD = st.text("abcXYZ019!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=8).map(str.encode)
QUOTED = st.text(' abc@<>,:;.()"\\', max_size=8).map(
    lambda text: b'"%b"' % text.replace("\\", "\\\\").replace('"', '\\"').encode()
)
COMMENT = st.text(" ab@<>,:;.", max_size=6).map(lambda text: b"(%b)" % text.encode())
SPACE = st.one_of(st.just(b""), st.just(b" "), st.just(b"\n\t"), COMMENT)
DOMAIN = st.lists(st.text("abcABC019", min_size=1, max_size=5).map(str.encode), min_size=1, max_size=4).map(b".".join)
NAMES = st.lists(st.one_of(WORD, QUOTED), min_size=1, max_size=3).map(b" ".join)


@st.composite
def mailboxes(draw: st.DrawFn) -> tuple[bytes, bytes]:
    domain = draw(DOMAIN)
    local = draw(st.one_of(WORD, QUOTED))
    address = b"@".join((local, domain))
    before, behind = draw(SPACE), draw(SPACE)
    if draw(st.booleans()):
        address = b"%b <%b>" % (draw(st.one_of(NAMES, st.just(b""))), address)
    return before + address + behind, domain.lower()


@given(st.lists(mailboxes(), min_size=1, max_size=4))
def test_what_the_grammar_makes_is_read(found: list[tuple[bytes, bytes]]) -> None:
    assert domains(b",".join(text for text, _ in found)) == [domain for _, domain in found]


@given(st.lists(mailboxes(), min_size=1, max_size=3))
def test_python_reads_the_same(found: list[tuple[bytes, bytes]]) -> None:
    value = b",".join(text for text, _ in found).replace(b"\n", b"")
    header = BytesHeaderParser(policy=email.policy.SMTP).parsebytes(b"From: " + value + b"\n\n")
    assert [address.domain.lower().encode() for address in header["From"].addresses] == domains(value)


def test_names() -> None:
    assert canonical(b"Example.ORG.") == b"example.org"
    assert [canonical(name) for name in (b"", b".", b"a..b", b".a", b"a" * 64)] == [None] * 5
    assert within(b"a.example.org", b"example.org") and within(b"example.org", b"example.org")
    assert not within(b"badexample.org", b"example.org")


def test_a_name_that_is_too_long_is_not_encoded() -> None:
    """Its letters are all different, for which the time would grow with the square of their number: to hours."""
    letters = "".join(map(chr, range(0x4E00, 0x9E00))).encode() * 5
    for folded in (letters, letters.replace("\u5000".encode(), b"\n\t"), letters.replace("\u5000".encode(), b".")):
        assert canonical(folded + b".test") is None
    assert canonical("\xfc.".encode() * 30 + b"test.") == b"xn--tda." * 30 + b"test"
