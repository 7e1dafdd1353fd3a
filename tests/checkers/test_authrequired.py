"""AUTHREQUIRED: no MAIL without authentication, unless AUTHORIZED (SPEC section 5, MAIL 2)."""

from __future__ import annotations

from ..support.home import Home, codes
from ..support.inprocess import play


def test_nobody_sends_without() -> None:
    play(
        """
        C: MAIL FROM:<s@sender.example>
        S: 530
        C: MAIL FROM:<>
        S: 530
        C: RCPT TO:<u@example.org>
        S: 503 (#5.5.1)
        """,
        AUTHREQUIRED="",
    )


def test_syntax_comes_first() -> None:
    play("C: MAIL FROM\nS: 555 (#5.5.4)", AUTHREQUIRED="")


def test_the_authorized_do() -> None:
    play("C: MAIL FROM:<s@sender.example>\nS: 250", AUTHREQUIRED="", AUTHORIZED="")


def test_it_comes_before_the_other_checks() -> None:
    play(
        "C: MAIL FROM:<s@sender.example> SIZE=99\nS: 530",
        {"badmailfrom": b"@sender.example\n"},
        AUTHREQUIRED="",
        DATABYTES="9",
    )


def test_after_authentication(home: Home) -> None:
    home.program("auth_smtp", "#!/usr/bin/python3 -IS\nimport os\nos.read(0, 999)\nos.write(1, b'Kjoe\\0')\n")
    mail = "MAIL FROM:<s@x.example>\r\n"
    said = f"{mail}AUTH PLAIN AGEAYg==\r\n{mail}RCPT TO:<u@far.example>\r\nQUIT\r\n"
    assert codes(home.smtp(said, AUTHREQUIRED="", SMTPAUTH="").stdout) == [220, 530, 235, 250, 250, 221]
