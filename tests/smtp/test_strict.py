"""STRICTREPLIES (SPEC section 20): docs/strictreplies.md is played row by row, without and with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from qmail_smtpd.smtp import replies
from qmail_smtpd.smtp.replies import Reply
from qmail_smtpd.smtp.strict import MAIL_PARAMETERS, REPLIES, is_path, objection, strictly

from ..support.home import Home, codes
from ..support.inprocess import converse
from ..support.processes import ROOT

TABLE = ROOT / "docs" / "strictreplies.md"


class Row(NamedTuple):
    """A line of the table."""

    what: str
    example: list[str]
    without: str
    strict: str


def rows() -> list[Row]:
    found = []
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "what a client does":
            what, example, without, strict = cells
            found.append(Row(what, re.findall(r"`([^`]+)`", example), without, strict))
    return found


ROWS = rows()


def last_reply(example: list[str], monkeypatch: pytest.MonkeyPatch, **env: str) -> str:
    """Code and enhanced code of the last reply."""
    said = []
    for word in example:
        name, equals, value = word.partition("=")
        if equals and name.isupper() and name.isalpha():
            env[name] = value
        else:
            said.append(word.replace("\\r", "\r").replace("\\n", "\n") + "\r\n")
    variables = {name.encode(): value.encode() for name, value in env.items()}
    ending = converse(["".join(said).encode()], env=variables)
    text = ending.output.decode().rstrip("\r\n").rpartition("\n")[2]
    found = re.match(r"(\d\d\d).*?( \(#[\d.]+\))?$", text)
    assert found, text
    return found.group(1) + (found.group(2) or "")


@pytest.mark.parametrize("row", [row for row in ROWS if row.example], ids=lambda row: " / ".join(row.example))
def test_as_the_table_says(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert last_reply(row.example, monkeypatch) == row.without
    assert last_reply(row.example, monkeypatch, STRICTREPLIES="") == row.strict


def shown(reply: Reply) -> str:
    return f"{reply.code} (#{reply.esc.decode()})" if reply.esc else str(reply.code)


@pytest.mark.parametrize(("old", "new"), REPLIES, ids=[repr(old) for old, _ in REPLIES])
def test_every_reply_that_changes_is_in_the_table(old: Reply, new: Reply) -> None:
    assert (shown(old), shown(new)) in [(row.without, row.strict) for row in ROWS]
    assert strictly(old.with_reason(b"control/x:1")).reason == b"control/x:1"
    assert strictly(old).hangup == old.hangup and strictly(replies.NO_BOUNCES) is replies.NO_BOUNCES


def test_a_transaction_goes_on_behind_a_second_mail(tmp_path: Path) -> None:
    """The first sender's; and it is the first sender's message."""
    said = b"MAIL FROM:<a@b.example>\r\nMAIL FROM:<c@d.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n\r\nx\r\n.\r\n"
    ending = converse([said], env={b"STRICTREPLIES": b""})
    assert codes(ending.output) == [220, 250, 503, 250, 354, 250]
    assert ending.queued[0].envelope == b"Fa@b.example\0Tu@example.org\0\0"


@pytest.mark.parametrize(
    "argument",
    [
        "FROM:<a@b>",
        "from: <a@b>",
        "FROM:<>",
        'FROM:<"a>b"@c>',
        r"FROM:<a\>b@c>",
        "FROM:<@x,@y:a@b>",
        "FROM:<a@b> SIZE=1",
    ],
)
def test_paths(argument: str) -> None:
    assert is_path(argument.encode(), b"FROM:")


@pytest.mark.parametrize("argument", ["", "FROM", "FROM:", "FROM:a@b", "FROM <a@b>", "FROM:<a@b", "TO:<a@b>"])
def test_what_is_no_path(argument: str) -> None:
    assert not is_path(argument.encode(), b"FROM:")


def test_parameters_of_others() -> None:
    """A keyword that is offered brings its own."""
    assert objection([b"smtputf8=x"], {b"SMTPUTF8": None}) is None


def test_auth_is_a_parameter_where_it_is_offered(home: Home) -> None:
    said = "MAIL FROM:<a@b.example> AUTH=<>\r\nQUIT\r\n"
    assert codes(home.smtp(said, STRICTREPLIES="", SMTPAUTH="").stdout) == [220, 250, 221]


@pytest.mark.parametrize("size", [0, 300_000])
def test_a_lone_cr_wherever_it_is(size: int) -> None:
    said = (
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\nA: x\r\n\r\n" + b"x" * size + b"\r%b\r\n.\r\n"
    )
    for after in (b"x", b"\r"):
        pieces = [said.replace(b"%b", after)[at : at + 1000] for at in range(0, len(said), 1000)]
        ending = converse(pieces, env={b"STRICTREPLIES": b""})
        assert codes(ending.output)[-1] == 550 and not ending.queued


@pytest.mark.parametrize(
    "path", ["daemontools/run", "systemd/qmail-smtpd@.service", "systemd/qmail-smtpd-resident.service", "xinetd/smtp"]
)
def test_it_is_on_in_what_we_ship(path: str) -> None:
    assert "STRICTREPLIES" in (ROOT / "contrib" / "service" / path).read_text()
    assert "STRICTREPLIES=1" in (ROOT / "contrib" / "run").read_text()


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        (b"SIZE=" + 20 * b"9", None),
        (b"SIZE=" + 21 * b"9", 555),
        (b"SIZE=", 501),
        (b"=1", 555),
        (b"body=8bitmime", None),
        (b"BODY=", 501),
        (b"BODY=BINARYMIME", 555),
    ],
)
def test_parameters_of_mail(parameter: bytes, code: int | None) -> None:
    refusal = objection([parameter], MAIL_PARAMETERS)
    assert (refusal.code if refusal is not None else None) == code
