"""REJECTEXEC and control/signatures (SPEC section 7). The recordings have the MIME; here is what becomes of a find."""

from __future__ import annotations

import pytest

from ..support.home import Home, codes

MAIL = "MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"


@pytest.fixture
def signed(home: Home) -> Home:
    home.control("signatures", "# programs\nTVqQAAMAA\nUEs*BBQ\n")
    return home


def message(first: str, header: str = "Subject: x") -> str:
    return f"{MAIL}{header}\r\n\r\n{first}\r\nmore\r\n.\r\nQUIT\r\n"


@pytest.mark.parametrize(("first", "line"), [("TVqQAAMAAAAEAAA", 2), ("UEsDBBQAAAAI", 3), ("UEsXBBQ", 3)])
def test_refused(signed: Home, first: str, line: int) -> None:
    session = signed.smtp(message(first), REJECTEXEC="", LOGLEVEL="3")
    assert codes(session.stdout) == [220, 250, 250, 354, 552, 221]
    assert b"control/signatures:%d" % line in session.stderr
    assert not signed.queued()


@pytest.mark.parametrize("first", ["", "TVqQ", " TVqQAAMAA", "UEsDB", "programs", "hello\r\nTVqQAAMAA"])
def test_welcome(signed: Home, first: str) -> None:
    session = signed.smtp(message(first), REJECTEXEC="")
    assert codes(session.stdout) == [220, 250, 250, 354, 250, 221]


def test_each_message_is_looked_at_anew(signed: Home) -> None:
    bad, good = message("TVqQAAMAA"), message("hello")
    session = signed.smtp(bad.removesuffix("QUIT\r\n") + good, REJECTEXEC="")
    assert codes(session.stdout) == [220, 250, 250, 354, 552, 250, 250, 354, 250, 221]
    assert len(signed.queued()) == 1


def test_only_with_the_switch_and_a_list(signed: Home) -> None:
    assert codes(signed.smtp(message("TVqQAAMAA")).stdout)[-2:] == [250, 221]
    (signed.path / "control" / "signatures").unlink()
    assert codes(signed.smtp(message("TVqQAAMAA"), REJECTEXEC="").stdout)[-2:] == [250, 221]


def test_a_part_behind_an_inner_multipart_that_never_ends(signed: Home) -> None:
    inner = "--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\ntext\r\n"
    parts = inner + "--o\r\nContent-Type: application/octet-stream\r\n\r\nTVqQAAMAA\r\n--o--"
    session = signed.smtp(message(parts, "Content-Type: multipart/mixed; boundary=o"), REJECTEXEC="")
    assert codes(session.stdout) == [220, 250, 250, 354, 552, 221]


@pytest.mark.parametrize(
    "body",
    [
        "Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r--b\rContent-Type: a/b\r\rTVqQAAMAA\r\n",
        "Subject: x\r\rTVqQAAMAA\r\n\r\nhello\r\n",
    ],
)
def test_a_lone_cr_may_end_a_line(signed: Home, body: str) -> None:
    """For some mail programs; a message without a part that begins so is welcome all the same."""
    for text, code in ((body, 552), (body.replace("TVqQ", "TVqX"), 250)):
        session = signed.smtp(f"{MAIL}{text}.\r\nQUIT\r\n", REJECTEXEC="")
        assert codes(session.stdout) == [220, 250, 250, 354, code, 221]


def test_more_inside_than_can_be_seen(signed: Home) -> None:
    deep = "".join(f"Content-Type: multipart/mixed; boundary=d{n}\r\n\r\n--d{n}\r\n" for n in range(300))
    session = signed.smtp(f"{MAIL}{deep}\r\nx\r\n.\r\nQUIT\r\n", REJECTEXEC="", LOGLEVEL="3")
    assert codes(session.stdout) == [220, 250, 250, 354, 552, 221]
    assert b"too many MIME parts" in session.stderr
