"""LOGFORMAT=json: every line is an object; messages, sessions and authentications say who, what and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qmail_smtpd.logs.jsonlog import encode

from ..support.home import Home

MAIL = "MAIL FROM:<s@sender.example>\r\n"
RCPT = "RCPT TO:<u@example.org>\r\n"
DATA = "DATA\r\nSubject: x\r\n\r\nhi\r\n.\r\n"


def events(home: Home, text: str, **env: str) -> list[dict[str, object]]:
    run = home.smtp(text, LOGFORMAT="json", **env)
    return [json.loads(line) for line in run.stderr.splitlines()]


def of(found: list[dict[str, object]], event: str) -> dict[str, object]:
    (one,) = [e for e in found if e["event"] == event]
    return one


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_message_and_its_session(home: Home) -> None:
    found = events(
        home, "EHLO c.test\r\n" + MAIL + RCPT + "RCPT TO:<u@evil.example>\r\n" + DATA + "QUIT\r\n", LOGLEVEL="0"
    )
    message, session = of(found, "message"), of(found, "session")
    assert message["ip"] == "192.0.2.10" and message["host"] == "client.example.net" and message["helo"] == "c.test"
    assert message["sender"] == "s@sender.example" and message["recipients"] == ["u@example.org"]
    assert message["queued"] is True and isinstance(message["qp"], int) and message["size"] == len("Subject: x\n\nhi\n")
    (refusal,) = message["refusals"]  # type: ignore[misc]
    assert refusal["address"] == "u@evil.example" and refusal["check"] == "rcpthosts"
    assert refusal["reply"].startswith("553 ")
    assert session["session"] == message["session"]
    assert (session["messages"], session["accepted"], session["refused"]) == (1, 1, 1)
    assert session["end"] == "client quit"
    assert {type(session["seconds"]), type(message["seconds"])} == {float}


def test_what_a_check_found_is_told_with_file_and_line(home: Home) -> None:
    home.control("badmailfrom", "# nobody\n@bad.example\n")
    found = events(home, "MAIL FROM:<x@bad.example>\r\nQUIT\r\n")
    (refusal,) = of(found, "session")["refusals"]  # type: ignore[misc]
    assert refusal["check"] == "badmailfrom" and refusal["reason"] == "control/badmailfrom:2"


def test_messages_that_are_not_queued(home: Home) -> None:
    home.program("qmail-queue", "#!/bin/sh\nexit 53\n")
    message = of(events(home, MAIL + RCPT + DATA + "QUIT\r\n"), "message")
    assert message["queued"] is False and message["exit"] == 53 and str(message["reply"]).startswith("451 ")


def test_messages_that_we_object_to(home: Home) -> None:
    found = events(home, MAIL + RCPT + DATA + "QUIT\r\n", DATABYTES="5")
    message = of(found, "message")
    assert message["queued"] is False and str(message["reply"]).startswith("552 ")
    assert [refusal["command"] for refusal in message["refusals"]] == ["(end of message)"]  # type: ignore[attr-defined]
    assert of(found, "session")["refusals"] == []


def test_no_refusal_is_lost(home: Home) -> None:
    """Not that of a MAIL before one that was accepted, nor of a recipient of a message that never came."""
    home.control("badmailfrom", "@bad.example\n")
    evil = "RCPT TO:<u@evil.example>\r\n"
    found = events(home, "MAIL FROM:<x@bad.example>\r\n" + MAIL + evil + MAIL + RCPT + DATA + evil + "QUIT\r\n")
    session = of(found, "session")
    assert [r["command"] for r in session["refusals"]] == ["MAIL", "RCPT", "RCPT"]  # type: ignore[attr-defined]
    assert session["refused"] == 3
    assert of(found, "message")["refusals"] == []


def test_lines_are_no_longer_than_a_pipe_takes_at_once(home: Home) -> None:
    """Else lines of sessions that share a log would get into each other."""
    long = "x" * 800
    recipients = "".join(f"RCPT TO:<{long}{number}@example.org>\r\n" for number in range(150))
    said = f"EHLO {long * 20}\r\n{MAIL}{recipients}{DATA}" + f"RCPT TO:<{long}@evil.example>\r\n" * 50 + "QUIT\r\n"
    session = home.smtp(said, LOGFORMAT="json", LOGLEVEL="4")
    lines = session.stderr.splitlines()
    assert max(map(len, lines)) < 4096
    message = of([json.loads(line) for line in lines], "message")
    assert message["recipient_count"] == 150 and 1 <= len(message["recipients"]) < 150  # type: ignore[arg-type]


def test_authentication(home: Home) -> None:
    home.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
    found = events(home, "AUTH PLAIN AGpvZQBzZWNyZXQ=\r\nQUIT\r\n", SMTPAUTH="")
    assert of(found, "auth")["user"] == "joe" and of(found, "auth")["success"] is True
    assert of(found, "session")["user"] == "joe"
    assert "secret" not in json.dumps(found) and "zZWNyZXQ" not in json.dumps(found)


def test_other_lines_are_objects_too(home: Home) -> None:
    home.control("rcpthosts.cdb", b"")
    found = events(home, MAIL + RCPT, LOGLEVEL="1")
    assert "rcpthosts.cdb" in str(of(found, "log")["text"])
    assert of(found, "session")["end"] == "internal error"


def test_hostile_bytes_stay_inside_their_string(home: Home) -> None:
    address = '"}\x01\\"\xff\u2028@x.example'.encode("latin1", "replace").decode("latin1")
    found = events(home, f"EHLO a\x07{address}\r\nMAIL FROM:<{address}>\r\n" + RCPT + DATA)
    assert of(found, "session")["end"] == "client went away"
    assert "\x07" in str(of(found, "message")["helo"])


@pytest.mark.parametrize(
    "value", [None, True, 0, 1.5, 'a"\\\n\x00é€', [], ["x", {"y": None}], {"a": [1, 2]}, {'"': "\u2028"}]
)
def test_encoding_is_json(value: object) -> None:
    assert json.loads(encode(value)) == value  # type: ignore[arg-type]


def test_bytes_that_are_not_text() -> None:
    assert json.loads(encode(b"a\xff\xc3\xa9")) == "a\\xffé"


def test_what_checks_found_out_of_a_message(home: Home) -> None:
    home.control("smtpcheckers", "finder\n")
    (home.path / "finder.py").write_text(
        "from qmail_smtpd.checker import Checker\n"
        "class Finder(Checker):\n"
        "    def message(self, session, event):\n"
        "        session.transaction.results.append({'method': 'luck', 'result': session.transaction.sender})\n"
        "def setup(config):\n    return Finder()\n"
    )
    found = events(home, MAIL + RCPT + DATA + "MAIL FROM:<>\r\n" + RCPT + DATA + "QUIT\r\n")
    messages = [event for event in found if event["event"] == "message"]
    assert [message["results"] for message in messages] == [
        [{"method": "luck", "result": "s@sender.example"}],
        [{"method": "luck", "result": ""}],
    ]
