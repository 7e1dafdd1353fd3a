"""auth_smtp: users, passwords and what is said about them (SPEC section 8)."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmail_smtpd.control.files import ControlFiles
from qmail_smtpd.directory import client
from qmail_smtpd.directory.auth import PasswordCheck
from qmail_smtpd.directory.program import MaskLog
from qmail_smtpd.directory.settings import Settings

from ..support.home import Home
from ..support.processes import BIN, wait_until
from ..support.slapd import READER, READER_PASSWORD, SUFFIX, Slapd, generated, slapd
from .programs import QUIET, auth, b64, login, plain, together
from .stored import MALFORMED, PASSWORD, PUBLISHED, all_schemes, openssl_digest, slappasswd, slappasswd_crypt

WRONG, MALFORMED_ANSWER, TEMPORARY = b"D", b"Z", b"exit 111"


def account(uid: str, stored: str | list[str] | None, *lines: str) -> str:
    """An entry with a user name and stored passwords, which LDIF takes in base64."""
    values = [stored] if isinstance(stored, str) else stored or []
    kept = [
        f"userPassword:: {b64(value.encode('latin1' if chr(0x80) in value else 'utf-8')).decode()}" for value in values
    ]
    head = [f"dn: cn={uid},ou=people,{SUFFIX}", "objectClass: inetOrgPerson", "objectClass: qmailUser", "sn: x"]
    return "\n".join([*head, f"cn: {uid}", f"uid: {uid}", f"mail: {uid}@x", *kept, *lines]) + "\n"


@pytest.fixture(scope="module")
def schemes() -> dict[str, str]:
    """User name to stored value."""
    return {f"user{number}": stored for number, (_, stored) in enumerate(sorted(all_schemes().items()))}


@pytest.fixture(scope="module")
def accounts(schemes: dict[str, str]) -> Iterator[Slapd]:
    """A server with an account for each scheme and each oddity."""
    right = slappasswd("SSHA")
    entries = [account(uid, stored) for uid, stored in schemes.items()]
    entries += [account(f"bad{number}", stored) for number, stored in enumerate(MALFORMED)]
    entries += [account(f"pub-{name}", stored) for name, (_, stored) in PUBLISHED.items()]
    entries += [account(status, right, f"accountStatus: {status}") for status in ("disabled", "NoAccess", "deleted")]
    entries += [account(status, right, f"accountStatus: {status}") for status in ("active", "nopop")]
    entries += [
        account("two-states", right, "accountStatus: active", "accountStatus: nopop"),
        account("two-passwords", ["{SSHA}AAAA", slappasswd("SSHA", "first"), slappasswd("SSHA", "second")]),
        account("unknown-scheme", "{ARGON2}$argon2i$v=19$m=4096"),
        account("unknown-and-known", ["{ARGON2}x", right]),
        account("md4", openssl_digest("MD4", "md4")),
        account("without", None),
        account("twin-a", right, "uid: twin"),
        account("twin-b", right, "uid: twin"),
        account("a*b", right),
        account("jörg", right),
        account("old", slappasswd_crypt("$6$%.16s")),
    ]
    with slapd(generated(20) + "\n" + "\n".join(entries)) as made, made.running():
        yield made


@pytest.fixture
def reading(tmp_path: Path, accounts: Slapd) -> Home:
    """A home whose auth_smtp may read userPassword."""
    control = {"ldapserver": accounts.host_port, "ldapbasedn": SUFFIX, "ldaptimeout": "20"}
    return Home(tmp_path / "reading", {**control, "ldaplogin": READER, "ldappassword": READER_PASSWORD})


@pytest.fixture
def binding(tmp_path: Path, accounts: Slapd) -> Home:
    """A home whose auth_smtp binds as the user."""
    control = {"ldapserver": accounts.host_port, "ldapbasedn": SUFFIX, "ldaptimeout": "20"}
    return Home(tmp_path / "binding", {**control, "ldaprebind": "1"})


@pytest.fixture(params=["reading", "binding"])
def either(request: pytest.FixtureRequest) -> Home:
    home: Home = request.getfixturevalue(request.param)
    return home


def test_every_scheme(reading: Home, schemes: dict[str, str]) -> None:
    right = together(lambda uid: login(reading, uid, PASSWORD), schemes)
    wrong = together(lambda uid: login(reading, uid, "x" + PASSWORD), schemes)
    assert dict(zip(schemes, right, strict=True)) == {uid: b"K%b\0" % uid.encode() for uid in schemes}
    assert set(wrong) == {WRONG}


def test_published_hashes(reading: Home) -> None:
    for name, (password, _) in PUBLISHED.items():
        assert plain(reading, f"\0pub-{name}\0{password}") == b"Kpub-%b\0" % name.encode()


def test_malformed_hashes(reading: Home) -> None:
    answers = together(lambda number: login(reading, f"bad{number}", PASSWORD), range(len(MALFORMED)))
    assert dict(zip(MALFORMED, answers, strict=True)) == dict.fromkeys(MALFORMED, WRONG)


def test_login_and_plain(either: Home) -> None:
    assert login(either, "person7", "secret-7") == b"Kperson7\0"
    assert plain(either, "\0person7\0secret-7") == b"Kperson7\0"
    assert plain(either, "person7\0person7\0secret-7") == b"Kperson7\0"
    assert login(either, "PERSON7", "secret-7") == b"KPERSON7\0"
    assert login(either, "jörg", PASSWORD) == "Kjörg\0".encode()


REFUSED = [
    ("person7", "secret-8"),
    ("person7", "Secret-7"),
    ("person7", ""),
    ("nobody", "secret-7"),
    ("nobody", ""),
    ("", ""),
    ("", "secret-7"),
    ("*", "secret-7"),
    ("person*", "secret-7"),
    ("a*b", "x"),
    ("person7)(uid=*", "secret-7"),
    ("x)(|(uid=person7", "secret-7"),
    (b"person\xf67", "secret-7"),
    ("person7", b"\xff\xfe"),
    ("x" * 900, "y" * 5000),
    ("without", PASSWORD),
    ("without", ""),
    ("disabled", PASSWORD),
    ("NoAccess", PASSWORD),
    ("deleted", PASSWORD),
]


def test_what_is_refused(either: Home) -> None:
    answers = together(lambda case: login(either, *case), REFUSED)
    assert list(zip(REFUSED, answers, strict=True)) == [(case, WRONG) for case in REFUSED]


@pytest.mark.parametrize("user", ["active", "nopop", "a*b"])
def test_what_is_taken(either: Home, user: str) -> None:
    assert login(either, user, PASSWORD) == b"K%b\0" % user.encode()


@pytest.mark.parametrize("user", ["twin", "two-states"])
def test_what_is_not_clear(either: Home, user: str) -> None:
    assert login(either, user, PASSWORD) == TEMPORARY


def test_several_passwords(reading: Home) -> None:
    assert [login(reading, "two-passwords", word) for word in ("first", "second", "third")] == [
        b"Ktwo-passwords\0",
        b"Ktwo-passwords\0",
        WRONG,
    ]
    assert login(reading, "unknown-and-known", PASSWORD) == b"Kunknown-and-known\0"


def test_an_unknown_scheme_is_a_temporary_failure(reading: Home) -> None:
    assert login(reading, "unknown-scheme", PASSWORD) == TEMPORARY
    assert "unknown password scheme ARGON2" in (reading.path / "auth_smtp.log").read_text()
    assert login(reading, "unknown-and-known", "x") == TEMPORARY


def test_a_password_in_latin_1_is_only_wrong(reading: Home) -> None:
    assert login(reading, "old", PASSWORD.encode("latin1")) == WRONG
    assert login(reading, "old", PASSWORD) == b"Kold\0"


def test_a_password_that_may_not_be_read_is_told_to_the_admin(accounts: Slapd, tmp_path: Path) -> None:
    home = Home(tmp_path / "anonymous", {"ldapserver": accounts.host_port, "ldapbasedn": SUFFIX})
    assert login(home, "person7", "secret-7") == WRONG
    assert "no userPassword, or we may not read it" in (home.path / "auth_smtp.log").read_text()


def test_an_empty_password_is_never_sent(binding: Home, accounts: Slapd) -> None:
    assert login(binding, "person7", "") == WRONG
    logged = accounts.log.read_text()
    assert login(binding, "person7", "x") == WRONG
    assert 'BIND dn="uid=person7' not in logged[logged.rindex("uid=person7") :]
    assert 'BIND dn="uid=person7' in accounts.log.read_text()


@pytest.mark.parametrize("identity", ["person8", "PERSON7", "dn:uid=person7", " "])
def test_nobody_acts_for_somebody_else(either: Home, identity: str) -> None:
    assert plain(either, f"{identity}\0person7\0secret-7") == WRONG


def encoded(*parts: bytes) -> bytes:
    return b"".join(part + b"\0" for part in parts)


USER, PASS = b64("person7"), b64("secret-7")


NO_CREDENTIALS = [
    encoded(b"login", b"=", PASS),
    encoded(b"login", USER, b"*"),
    encoded(b"login", USER + b" ", PASS),
    encoded(b"login", USER[:-1], PASS),
    encoded(b"login", USER.rstrip(b"="), PASS),
    encoded(b"login", b"===", PASS),
    encoded(b"login", b64("person7\0"), PASS),
    encoded(b"login", USER, b64("secret-7\0")),
    encoded(b"login", USER, b64("secret-7\0x")),
    encoded(b"login", USER, b"\xff\xfe"),
    encoded(b"plain", b"="),
    encoded(b"plain", b""),
    encoded(b"plain", b64("person7")),
    encoded(b"plain", b64("person7\0secret-7")),
    encoded(b"plain", b64("\0person7\0secret-7\0")),
    encoded(b"plain", b64("\0person7\0secret\0-7")),
    encoded(b"plain", b64("\0\0\0\0")),
    b"login\0" + USER + b"\0" + PASS,
    b"login\0" + USER + b"\0",
    b"login\0",
    b"plain\0",
    b"plain\0" + b64("\0person7\0secret-7"),
    b"log",
    b"",
]


def test_what_is_malformed(either: Home) -> None:
    answers = together(lambda request: auth(either, request), NO_CREDENTIALS)
    assert list(zip(NO_CREDENTIALS, answers, strict=True)) == [(case, MALFORMED_ANSWER) for case in NO_CREDENTIALS]


def test_an_unknown_mechanism_is_a_temporary_failure(reading: Home) -> None:
    assert auth(reading, encoded(b"cram-md5", USER, PASS)) == TEMPORARY


def test_what_follows_the_request_is_ignored(reading: Home) -> None:
    assert auth(reading, encoded(b"login", USER, PASS) + b"login\0x") == b"Kperson7\0"


def test_the_time_of_a_question_begins_with_the_question(reading: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the program starts: a client may take long to type a password."""
    monkeypatch.setattr(client, "BUDGET", -100.0)
    one = PasswordCheck(Settings(ControlFiles(bytes(reading.path / "control"))), MaskLog(b"test", 0))
    assert one._directory._time_left() == client.SHORTEST
    monkeypatch.setattr(client, "BUDGET", 25.0)
    assert one.answer([b"login", b64("person7"), b64("secret-7")]) == b"Kperson7\0"
    assert one._directory._time_left() > client.SHORTEST


def test_the_request_may_come_in_pieces(reading: Home) -> None:
    with subprocess.Popen(
        [os.fspath(BIN / "auth_smtp")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=reading.env(), bufsize=0
    ) as process:
        assert process.stdin and process.stdout
        for byte in encoded(b"login", USER, PASS):
            process.stdin.write(bytes([byte]))
        assert process.stdout.read() == b"Kperson7\0"  # its input is still open
        assert process.wait(30) == 0


@pytest.mark.parametrize("name", ["ldapserver", "ldapbasedn", "ldaprebind", "ldapobjectclass"])
def test_unreadable_controls_are_a_temporary_failure(reading: Home, name: str) -> None:
    path = reading.path / "control" / name
    path.unlink(missing_ok=True)
    path.mkdir()
    assert login(reading, "person7", "secret-7") == TEMPORARY
    path.rmdir()
    expected = TEMPORARY if name in ("ldapserver", "ldapbasedn") else b"Kperson7\0"
    assert login(reading, "person7", "secret-7") == expected


def test_the_object_class_counts(reading: Home) -> None:
    reading.control("ldapobjectclass", "qmailUser")
    assert login(reading, "person7", "secret-7") == b"Kperson7\0"
    reading.control("ldapobjectclass", "organization")
    assert login(reading, "person7", "secret-7") == WRONG


def test_no_password_in_any_log(either: Home) -> None:
    secret, wrong = "secret-7", "not-the-secret"
    for password in (secret, wrong):
        for level in ("255", "65535"):
            login(either, "person7", password, LOGLEVEL=level)
            plain(either, f"\0person7\0{password}", LOGLEVEL=level)
            auth(either, b"%b\0%b\0" % (b64(password), b64("x")), LOGLEVEL=level)
    logged = (either.path / "auth_smtp.log").read_bytes()
    assert b"person7" in logged
    plain_response = b64(f"\0person7\0{secret}")
    for word in (secret.encode(), wrong.encode(), b64(secret), plain_response, READER_PASSWORD.encode()):
        assert word not in logged


def test_a_password_in_the_place_of_the_user_is_not_logged(reading: Home) -> None:
    """As a client may put it that has the fields of PLAIN in its own order."""
    assert plain(reading, "person7\0secret-7\0") == WRONG
    assert b"secret" not in (reading.path / "auth_smtp.log").read_bytes()


def test_no_password_in_the_argument_list_and_no_core(reading: Home) -> None:
    with subprocess.Popen(
        [os.fspath(BIN / "auth_smtp")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=reading.env(**QUIET),
        bufsize=0,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, resource.RLIM_INFINITY)),
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(encoded(b"login", USER, PASS))
        assert process.stdout.read(1) == b"K"  # it has started: its limits are set
        command = Path(f"/proc/{process.pid}/cmdline")
        assert b"secret" not in (command.read_bytes() if command.exists() else b"")
    with subprocess.Popen(
        [os.fspath(BIN / "auth_smtp")], stdin=subprocess.PIPE, env=reading.env(), bufsize=0
    ) as waiting:
        limits = Path(f"/proc/{waiting.pid}/limits")

        def core() -> list[str]:
            return next(line for line in limits.read_text().splitlines() if line.startswith("Max core")).split()[4:6]

        wait_until(lambda: core() == ["0", "0"], "no core may be written")
        waiting.kill()


def test_an_unknown_user_takes_the_steps_of_a_wrong_password(binding: Home, accounts: Slapd) -> None:
    def steps(user: str) -> list[str]:
        before = len(accounts.log.read_text())
        assert login(binding, user, "wrong") == WRONG
        return re.findall(r" (BIND|SRCH) .*(?:method=|scope=)", accounts.log.read_text()[before:])

    assert steps("person7") == steps("nobody") == steps("disabled") == ["BIND", "SRCH", "BIND"]
