"""The Authentication-Results field: as written, as others read it, and as it is recognised where it is forged."""

from __future__ import annotations

import subprocess
from pathlib import Path

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.mailauth.results import Result, claims, field_value, value

from ..support.processes import ROOT, program

ME = b"mx.example.org"
SPF = Result("spf", "pass", [("smtp.mailfrom", b"user@sender.example")])
DKIM = Result(
    "dkim",
    "pass",
    [
        *(("header.d", b"sender.example"), ("header.s", b"sel")),
        *(("header.a", b"rsa-sha256"), ("header.b", b"ab/d+f==")),
    ],
)
DMARC = Result("dmarc", "pass", [("header.from", b"sender.example"), ("policy.dmarc", b"none")])
IPREV = Result("iprev", "pass", [("policy.iprev", b"2001:db8::1")])
ALL = [SPF, DKIM, DMARC, IPREV]


# As written


def test_all_of_it() -> None:
    assert field_value(ME, ALL) == (
        b" mx.example.org;\n"
        b"\tspf=pass smtp.mailfrom=user@sender.example;\n"
        b"\tdkim=pass header.d=sender.example header.s=sel header.a=rsa-sha256\n"
        b'\theader.b="ab/d+f==";\n'
        b"\tdmarc=pass header.from=sender.example policy.dmarc=none;\n"
        b'\tiprev=pass policy.iprev="2001:db8::1"'
    )


def test_nothing() -> None:
    assert field_value(ME, []) == b" mx.example.org; none"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b"example.org", b"example.org"),
        (b"user@example.org", b"user@example.org"),
        (b"@example.org", b"@example.org"),
        (b"user+tag@example.org", b"user+tag@example.org"),
        (b"a=b@example.org", b'"a=b@example.org"'),
        (b"two words@example.org", b'"two words@example.org"'),
        (b"a@b@example.org", b'"a@b@example.org"'),
        (b"user@[192.0.2.1]", b'"user@[192.0.2.1]"'),
        (b"user@", b'"user@"'),
        (b"", b'""'),
        (b'a"b\\c', b'"a\\"b\\\\c"'),
        (b"a\0\r\n\x7f\xff", b'"a?????"'),
        (b"x; dkim=pass", b'"x; dkim=pass"'),
        (b"=?us-ascii?q?x?=", b'"=\\?us-ascii?q?x?="'),
    ],
)
def test_values(text: bytes, written: bytes) -> None:
    assert value(text) == written


def test_what_is_too_long_for_a_line_is_left_out() -> None:
    long = Result("spf", "fail", [("smtp.mailfrom", b"a" * 899), ("smtp.helo", b"client.test")])
    assert field_value(ME, [long]) == b" mx.example.org;\n\tspf=fail smtp.helo=client.test"
    shorter = Result("spf", "fail", [("smtp.mailfrom", b'"' * 400)])
    assert max(map(len, field_value(ME, [shorter]).split(b"\n"))) > 800


RESULTS = st.builds(
    Result,
    st.sampled_from(["spf", "dkim", "dmarc", "iprev"]),
    st.sampled_from(["pass", "fail", "none", "temperror"]),
    # authres takes a quoted value only where no property follows.
    st.one_of(
        st.just([]),
        st.tuples(st.just(("header.d", b"sender.example")), st.tuples(st.just("header.b"), st.binary(max_size=900))),
        st.tuples(st.tuples(st.just("smtp.mailfrom"), st.binary(max_size=900))),
    ),
)


@given(st.lists(RESULTS, max_size=5))
def test_whatever_the_values_are_the_field_is_one(results: list[Result]) -> None:
    written = field_value(ME, results)
    first, *folded = written.split(b"\n")
    assert all(line.startswith(b"\t") and line.strip() for line in folded)
    assert all(len(line) < 950 for line in (first, *folded))
    assert not written.replace(b"\n", b"").replace(b"\t", b"").translate(None, bytes(range(32, 127)))
    assert claims(written, ME)
    expected = [
        (r.method, r.value, [p for p in r.properties if p[1] and len(p[0]) + 1 + len(value(p[1])) <= 900])
        for r in results
    ]
    assert read_by_authres(written) == [
        (method, result, [(name, visible(text)) for name, text in properties])
        for method, result, properties in expected
    ]


def visible(text: bytes) -> str:
    """A value as authres gives it back: a quoted one keeps its backslashes."""
    shown = "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in text)
    return shown.replace("\\", "\\\\").replace('"', '\\"').replace("=?", "=\\?")


# As others read it


def read_by_authres(written: bytes) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Method, result and properties."""
    header = authres.AuthenticationResultsHeader.parse_value(written.replace(b"\n", b"").decode("ascii"))
    assert header.authserv_id == ME.decode()
    return [(r.method, r.result, [(f"{p.type}.{p.name}", p.value) for p in r.properties]) for r in header.results]


def message(written: bytes, sender: bytes = b"user@sender.example") -> bytes:
    return b"Authentication-Results:%b\nFrom: %b\nTo: u@example.org\nSubject: x\n\nhi\n" % (written, sender)


def test_authres_reads_it() -> None:
    expected = [(r.method, r.value, [(name, text.decode()) for name, text in r.properties]) for r in ALL]
    assert read_by_authres(field_value(ME, ALL)) == expected


def read_by_spamassassin(written: bytes) -> list[str]:
    script = str(ROOT / "tests" / "support" / "authres.pl")
    run = subprocess.run([program("perl"), script], input=message(written), capture_output=True, check=True)
    return run.stdout.decode().splitlines()


def test_spamassassin_reads_it() -> None:
    assert read_by_spamassassin(field_value(ME, ALL)) == [
        "dkim pass header.a rsa-sha256",
        "dkim pass header.b ab/d+f==",
        "dkim pass header.d sender.example",
        "dkim pass header.s sel",
        "dmarc pass header.from sender.example",
        "dmarc pass policy.dmarc none",
        "iprev pass policy.iprev 2001:db8::1",
        "spf pass smtp.mailfrom user@sender.example",
    ]


def test_spamassassin_reads_odd_values() -> None:
    odd = [
        Result("spf", "softfail", [("smtp.mailfrom", b"two words; dkim=pass@sender.example")]),
        Result("dkim", "none"),
        Result("dmarc", "permerror"),
    ]
    assert read_by_spamassassin(field_value(ME, odd)) == [
        "dkim none",
        "dmarc permerror",
        "spf softfail smtp.mailfrom two words; dkim=pass@sender.example",
    ]


ENCODED = b"=?us-ascii?q?x=22=3B_dkim=3Dpass_header=2Ed=3Dbank.test=3B_spf=3Dnone_smtp.helo=3D=22?="


def test_spamassassin_finds_no_encoded_word_in_our_field() -> None:
    """It would decode it, in quotes too: `x"; dkim=pass header.d=bank.test; spf=none smtp.helo="`."""
    written = field_value(ME, [Result("spf", "none", [("smtp.helo", ENCODED)]), Result("dkim", "none")])
    assert [line.split(" ", 2)[:2] for line in read_by_spamassassin(written)] == [["dkim", "none"], ["spf", "none"]]


def read_by_opendmarc(folder: Path, written: bytes) -> dict[str, str]:
    """The lines about SPF and DKIM in OpenDMARC's history of a message: 0 is pass, 2 softfail, 7 fail."""
    (folder / "message").write_bytes(message(written))
    (folder / "settings").write_text(
        f"AuthservID {ME.decode()}\nTrustedAuthservIDs {ME.decode()}\nHistoryFile {folder}/history\n"
        "RecordAllMessages true\nSPFSelfValidate false\nSyslog false\nSocket inet:1@127.0.0.1\n"
    )
    argv = [program("opendmarc"), "-f", "-c", str(folder / "settings"), "-t", str(folder / "message")]
    subprocess.run(argv, capture_output=True, check=True, timeout=60)
    lines = (folder / "history").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines if line.startswith(("spf ", "dkim ")))


def test_opendmarc_reads_it(tmp_path: Path) -> None:
    assert read_by_opendmarc(tmp_path, field_value(ME, ALL)) == {"dkim": "sender.example sel 0", "spf": "0"}


def test_opendmarc_reads_failures(tmp_path: Path) -> None:
    failed = [
        Result("spf", "fail", [("smtp.mailfrom", b"a=b@sender.example")]),
        Result("dkim", "fail", [("header.d", b"sender.example"), ("header.s", b"other"), ("header.a", b"rsa-sha256")]),
    ]
    assert read_by_opendmarc(tmp_path, field_value(ME, failed)) == {"dkim": "sender.example other 7", "spf": "7"}


# As it is recognised

OURS = (
    b" mx.example.org; spf=pass",
    b"mx.example.org;",
    b" MX.Example.ORG; dkim=pass",
    b" mx.example.org 1; dkim=pass",
    b" mx.example.org/1; dkim=pass",
    b" mx.example.org (x) 1 ; dkim=pass",
    b"\n\tmx.example.org;\n\tdkim=pass",
    b" (a comment) mx.example.org; dkim=pass",
    b" (a (nested \\) one)) mx.example.org(x); dkim=pass",
    b" (mx.other.test;)\n (x)\n\tmx.example.org; dkim=pass",
    b' "mx.example.org"; dkim=pass',
    b' "MX.\\example.org" 1; dkim=pass',
    b" mx . example (x) . org; dkim=pass",
    b" mx.example.org.; dkim=pass",
    b" mx.example.org",
    b" mx.example.org dkim=pass",
    b" mx.example.org=x; dkim=pass",
    b" mx.ex\0ample.org; dkim=pass",
    b"\r mx.example.org\r; dkim=pass",
    # What cannot be read, and has our name in it
    b" ; mx.example.org; dkim=pass",
    b" (mx.example.org; dkim=pass",
    b' "mx.example.org; dkim=pass',
    b" <mx.example.org>; dkim=pass",
    b" \xc2\xa0mx.example.org\xe2\x80\x83; dkim=pass",
    b" mx.other.test (mx.example.org; dkim=pass",
    b" mx.example.org\r1; dkim=pass",  # OpenDMARC and SpamAssassin
    b" mx.example.org\x0b1; dkim=pass",
    b' "(" mx.example.org; dkim=pass',  # OpenDMARC
    b' mx\t"("xmx.example.org; dkim=pass',
    b' mx\n\t\\("("mx.example.org; dkim=pass',
    b" .mx.example.org; dkim=pass",
    b" mx.example.org. 1; dkim=pass",  # Mail::AuthenticationResults
    b" mx.example.org.(x)other.test; dkim=pass",
    b" " + (b"(x)" * 1000 + b"\n ") * 21 + b"(x)" * 828 + b" mx.example.org; dkim=pass",  # the name begins below 64 kB
    b" =?us-ascii?b?bXguZXhhbXBsZS5vcmc=?=; dkim=pass",  # SpamAssassin
    b" =?US-ASCII*en?Q?mx=2Eexample.org?=; dkim=pass",
    b" =?utf-8?q?mx=2eex?=\n =?utf-8?q?ample.org?=; dkim=pass",
    b" =?utf-8?b?bXguZXhhbXBsZS5vcmc7IGRraW09cGFzcw==?=",
    b" mx.other.test; spf=none =?us-ascii?q?=0AAuthentication-Results:_mx=2Eexample.org;_dkim=3Dpass?=",
)
NOT_OURS = (
    b"",
    b" mx.other.test; spf=pass",
    b" mx.example.org.other.test; spf=pass",
    b" a.mx.example.org; spf=pass",
    b" example.org; spf=pass",
    b" mx.example.orgs; spf=pass",
    b" mxxexample.org; spf=pass",
    b" (mx.example.org) mx.other.test; spf=pass",
    b' "mx.other.test"; spf=pass smtp.helo=mx.example.org',
    b' mx.other.test; spf=pass reason="mx.example.org; dkim=pass"',
    b" (; dkim=pass",
    b' "(" mx.other.test; dkim=pass',
    b' mx.other.test; spf=pass smtp.mailfrom="=?@other.test"',
)


def test_what_others_read_as_ours_is_ours(tmp_path: Path) -> None:
    """Fields in which SpamAssassin and OpenDMARC find our name where the grammar has none."""
    field = b" =?us-ascii?b?bXguZXhhbXBsZS5vcmc=?=; dkim=pass header.d=bank.test"
    assert read_by_spamassassin(field) == ["dkim pass header.d bank.test"] and claims(field, ME)
    field = b' "(" mx.example.org; spf=pass smtp.mailfrom=bank.test'
    assert read_by_opendmarc(tmp_path, field) == {"spf": "0"} and claims(field, ME)


@pytest.mark.parametrize("field", OURS)
def test_ours(field: bytes) -> None:
    assert claims(field, ME)


def test_a_name_of_ours_that_is_odd_is_recognised() -> None:
    assert claims(b' "Our server"; dkim=pass', b"our server") and claims(b' "our\\ server"; dkim=pass', b"our server")
    assert not claims(b' "their server"; dkim=pass', b"our server")


@pytest.mark.parametrize("field", NOT_OURS)
def test_not_ours(field: bytes) -> None:
    assert not claims(field, ME)


@pytest.mark.parametrize("field", [b"(" * 1_000_000, b'"\\' * 500_000, b"( )" * 300_000, b"." * 1_000_000])
def test_what_is_long_ends_soon(field: bytes) -> None:
    assert not claims(field, ME)
    assert claims(field + ME, ME)


FILLING = st.sampled_from([b"", b" ", b"\n\t", b"(x)", b"(a(b)c)", b" (mx.other.test;) ", b"(\\))"])
CASES = st.lists(st.booleans(), min_size=len(ME), max_size=len(ME))


@given(FILLING, CASES, st.booleans(), FILLING, st.sampled_from([b"", b" 1", b"(x)1 "]))
def test_any_spelling_of_ours(before: bytes, case: list[bool], quoted: bool, behind: bytes, version: bytes) -> None:
    name = b"".join(b"%c" % byte if low else (b"%c" % byte).upper() for byte, low in zip(ME, case, strict=True))
    spelt = b'"%b"' % name if quoted else name
    assert claims(before + spelt + behind + version + b"; dkim=pass", ME)
    assert not claims(before + spelt + behind + version + b"; dkim=pass", b"mx.other.test")


@given(st.lists(st.sampled_from([b"mx", b".", b"org", *(b"%c" % byte for byte in b'();"\\ \n\0@<\xfc')]), max_size=12))
def test_anything_is_judged(pieces: list[bytes]) -> None:
    claims(b"".join(pieces), ME)
