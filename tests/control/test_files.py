"""Control files: line, list and int files (SPEC section 2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmail_smtpd.control.config import Config
from qmail_smtpd.control.files import MOST_SEARCHES, ControlError, ControlFiles, ListFile, first_line, list_lines
from qmail_smtpd.smtp.numbers import BIGGEST, leading_number

from ..support.inprocess import MemoryControl


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"5", 5),
        (b"0", 0),
        (b"007", 7),
        (b"12abc", 12),
        (b"5 6", 5),
        (b"", 99),
        (b"x5", 99),
        (b"-5", 99),
        (b" 5", 99),
        (b"18446744073709551615", BIGGEST),
        (b"18446744073709551616", BIGGEST),
        (b"9" * 5000, BIGGEST),
        (b"0" * 40 + b"7", 7),
    ],
)
def test_numbers(text: bytes, number: int) -> None:
    assert leading_number(text, 99) == number


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"one\ntwo\n", b"one"),
        (b"one", b"one"),
        (b"one \t \n", b"one"),
        (b" one\n", b" one"),
        (b"\none\n", b""),
        (b"", b""),
        (b"one\0two\n", b"one"),
        (b"one\r\n", b"one"),
        (b"one \r\n", b"one"),
        (b"# one\n", b"# one"),
    ],
)
def test_line_files(text: bytes, line: bytes) -> None:
    assert first_line(text) == line


LIST = b"One@Example\r\n\r\n# comment\n  two\ntwo \t\r\n#\n\t\nthree\0hidden\nlast"


def test_list_files() -> None:
    assert list(list_lines(LIST)) == [b"One@Example", b"  two", b"two", b"three", b"last"]


def asked_often(listed: ListFile) -> ListFile:
    """The same list once it answers from its table."""
    for _ in range(MOST_SEARCHES):
        assert b"nobody" not in listed
    return listed


@pytest.mark.parametrize("entry", [b"one@example", b"ONE@EXAMPLE", b"two", b"  two", b"three", b"last"])
def test_listed(entry: bytes) -> None:
    assert entry in ListFile("x", LIST)
    assert entry in asked_often(ListFile("x", LIST))


@pytest.mark.parametrize(
    "entry", [b"", b"one", b"one@example ", b"# comment", b"#", b"comment", b"hidden", b"three\0hidden", b"las", b"ast"]
)
def test_not_listed(entry: bytes) -> None:
    assert entry not in ListFile("x", LIST)
    assert entry not in asked_often(ListFile("x", LIST))


@pytest.mark.parametrize("text", [b"\n", b"", b"#\n", b"\n\n\n"])
def test_empty_lists_hold_nothing(text: bytes) -> None:
    for entry in (b"", b"#", b"a"):
        assert entry not in ListFile("x", text)
        assert entry not in asked_often(ListFile("x", text))


def test_where_an_entry_stands() -> None:
    for listed in (ListFile("locals", LIST), asked_often(ListFile("locals", LIST))):
        assert listed.line_of(b"ONE@example") == b"control/locals:1"
        assert listed.line_of(b"two") == b"control/locals:5"
        assert listed.line_of(b"last") == b"control/locals:9"
    twice = ListFile("x", b"a\nb\na\n")
    assert twice.line_of(b"a") == asked_often(twice).line_of(b"a") == b"control/x:1"


def test_large_lists() -> None:
    listed = ListFile("x", b"".join(b"host%d.example\n" % number for number in range(100_000)))
    assert b"host99999.example" in listed
    assert b"host100000.example" not in listed
    assert listed.line_of(b"host99999.example") == b"control/x:100000"


@pytest.fixture
def files(tmp_path: Path) -> ControlFiles:
    return ControlFiles(bytes(tmp_path))


def test_missing_files_are_their_default(files: ControlFiles) -> None:
    assert files.read("x") is None
    assert files.line("x") is None
    assert files.line("x", b"default") == b"default"
    assert files.number("x", 7) == 7
    assert files.entries("x") is None


def test_empty_files_are_not_missing(files: ControlFiles, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert files.read("x") == b""
    assert files.line("x", b"default") == b""
    assert files.number("x", 7) == 7
    assert files.entries("x") is not None


def test_a_large_file_is_read_whole(files: ControlFiles, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"y" * 1_000_000)
    assert files.read("x") == b"y" * 1_000_000


def test_what_cannot_be_read_says_so(files: ControlFiles, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(ControlError) as caught:
        files.read("x")
    assert caught.value.path == bytes(tmp_path / "x")
    assert b"directory" in caught.value.reason


# The configuration made of them


def config(env: dict[bytes, bytes], **control: bytes) -> Config:
    return Config(env, MemoryControl({"me": b"mx.example\n", **control}))


def test_defaults() -> None:
    made = config({})
    assert (made.me, made.localiphost, made.greeting, made.cookie) == (b"mx.example", b"mx.example", b"", b"")
    assert (made.timeout, made.databytes, made.certificate) == (120, 0, None)
    assert made.locals is not None and b"MX.example" in made.locals
    assert made.files["rcpthosts"] is None


@pytest.mark.parametrize(("text", "seconds"), [(b"30\n", 30), (b"0\n", 1), (b"x\n", 120), (b"\n", 120), (b"1\n", 1)])
def test_timeout(text: bytes, seconds: int) -> None:
    assert config({}, timeoutsmtpd=text).timeout == seconds
    assert config({b"421GREETING": b""}, timeoutsmtpd=text).timeout == 20
    assert config({b"550GREETING": b""}, timeoutsmtpd=text).timeout == 20


@pytest.mark.parametrize(
    ("env", "text", "number"),
    [
        ({}, b"50\n", 50),
        ({b"DATABYTES": b"70"}, b"50\n", 70),
        ({b"DATABYTES": b""}, b"50\n", 0),
        ({b"DATABYTES": b"0"}, b"50\n", 0),
    ],
)
def test_databytes(env: dict[bytes, bytes], text: bytes, number: int) -> None:
    assert config(env, databytes=text).databytes == number


def test_switches_are_set_even_if_empty() -> None:
    made = config({b"NOBOUNCE": b""})
    assert made.switch("NOBOUNCE") and not made.switch("NOLOCAL")
    assert made.value("NOBOUNCE") == b"" and made.value("NOLOCAL") is None


@pytest.mark.parametrize(("env", "number"), [({}, 5), ({b"N": b""}, 0), ({b"N": b"x"}, 0), ({b"N": b"8s"}, 8)])
def test_number_variables(env: dict[bytes, bytes], number: int) -> None:
    assert config(env).number("N", 5) == number


def test_the_cookie_is_cut() -> None:
    assert config({}, smtpclustercookie=b"c" * 40).cookie == b"c" * 32


def test_sslcert_overrides() -> None:
    assert config({}, smtpcert=b"cert.pem\n").certificate == b"cert.pem"
    assert config({b"SSLCERT": b"other.pem"}, smtpcert=b"cert.pem\n").certificate == b"other.pem"
    assert config({b"SSLCERT": b""}, smtpcert=b"cert.pem\n").certificate is None
