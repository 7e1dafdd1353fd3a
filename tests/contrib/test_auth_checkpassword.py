"""contrib/auth_checkpassword: the passwords of a checkpassword program, as patched qmails use them."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from ..support.home import Home, codes
from ..support.processes import BIN, ROOT

# As checkpassword's interface has it: user, password and time stamp on fd 3, then the program is run.
CHECKPASSWORD = """#!/bin/sh
said=$(tr '\\0' ' ' <&3)
case $said in
"ann secret Y"*) exec "$@" ;;
"bob "*) exit 111 ;;
"eve "*) kill -9 $$ ;;
esac
exit 3
"""


@pytest.fixture
def program(home: Home) -> Path:
    """The home's auth_smtp."""
    checkpassword = home.program("checkpassword", CHECKPASSWORD)
    text = (ROOT / "contrib/auth_checkpassword").read_text()
    assert '"/home/vpopmail/bin/vchkpw"' in text
    home.program("auth_smtp", text.replace("/home/vpopmail/bin/vchkpw", str(checkpassword)))
    return home.path / "bin/auth_smtp"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def asked(program: Path, *parts: str) -> tuple[int, bytes]:
    """Its exit status and answer. Its input stays open until it has answered, as qmail-smtpd does it."""
    argv, pipe = [str(program)], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"".join(part.encode() + b"\0" for part in parts))
        process.stdin.flush()
        answer = process.stdout.read()
    return process.returncode, answer


ANSWERS = {
    "right": (("login", b64("ann"), b64("secret")), 0, b"Kann\0"),
    "plain": (("plain", b64("\0ann\0secret")), 0, b"Kann\0"),
    "acts for himself": (("plain", b64("ann\0ann\0secret")), 0, b"Kann\0"),
    "acts for another": (("plain", b64("bob\0ann\0secret")), 0, b"D"),
    "wrong": (("login", b64("ann"), b64("Secret")), 0, b"D"),
    "an empty password": (("login", b64("ann"), ""), 0, b"D"),
    "unknown": (("plain", b64("\0joe\0secret")), 0, b"D"),
    "temporary": (("login", b64("bob"), b64("x")), 111, b""),
    "killed": (("login", b64("eve"), b64("x")), 111, b""),
    "no base64": (("login", "ann!", b64("secret")), 0, b"Z"),
    "a NUL in the password": (("login", b64("ann"), b64("secret\0Y1")), 0, b"Z"),
    "a NUL in the user": (("login", b64("ann\0secret"), b64("x")), 0, b"Z"),
    "too few fields": (("plain", b64("ann\0secret")), 0, b"Z"),
}


@pytest.mark.parametrize(("parts", "status", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_answers(program: Path, parts: tuple[str, ...], status: int, answer: bytes) -> None:
    assert asked(program, *parts) == (status, answer)


def test_a_program_that_is_missing_is_a_temporary_failure(home: Home, program: Path) -> None:
    (home.path / "bin/checkpassword").unlink()
    assert asked(program, "login", b64("ann"), b64("secret")) == (111, b"")


def test_a_session(home: Home, program: Path) -> None:
    said = f"AUTH PLAIN {b64(chr(0) + 'ann' + chr(0) + 'secret')}\r\nMAIL FROM:<a@b.example>\r\n"
    said += "RCPT TO:<x@elsewhere.example>\r\nQUIT\r\n"
    argv, env = [BIN / "qmail-smtpd"], home.env(SMTPAUTH="")
    done = subprocess.run(argv, input=said.encode(), capture_output=True, env=env, timeout=60, check=False)
    assert codes(done.stdout) == [220, 235, 250, 250, 221], done.stderr
