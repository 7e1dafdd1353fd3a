"""AUTH through SMTP against a real directory (SPEC section 8)."""

from __future__ import annotations

import resource

import pytest

from ..support.dialog import Dialog
from ..support.home import Home, codes
from ..support.processes import free_port
from ..support.slapd import READER, READER_PASSWORD
from .conftest import MakeHome
from .programs import b64, together

READ = {"ldaplogin": READER, "ldappassword": READER_PASSWORD}


KINDS = {"compared": READ, "bound": {"ldaprebind": "1"}}


@pytest.fixture
def homes(make_home: MakeHome) -> list[Home]:
    """One whose auth_smtp compares passwords, one whose auth_smtp binds as the user."""
    made = [make_home(name, **control) for name, control in KINDS.items()]
    for home in made:
        home.link("auth_smtp")
    return made


@pytest.fixture(params=KINDS)
def linked(request: pytest.FixtureRequest, make_home: MakeHome) -> Home:
    home = make_home(**KINDS[request.param])
    home.link("auth_smtp")
    return home


def said(home: Home, *lines: str | bytes) -> list[int]:
    """The codes of the replies to these lines, and to a QUIT after them."""
    data = b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in [*lines, "QUIT"])
    done = home.smtp(data, SMTPAUTH="", LOGLEVEL="255")
    for secret in (b"secret", b64("\0person7\0secret-7"), b64("secret-7")):
        assert secret not in done.stderr
    return codes(done.stdout)[1:-1]


def plain(user: str, password: str, identity: str = "") -> bytes:
    return b"AUTH PLAIN " + b64(f"{identity}\0{user}\0{password}")


def test_what_succeeds(linked: Home) -> None:
    user, password = b64("person7"), b64("secret-7")
    dialogs: list[list[str | bytes]] = [
        [plain("person7", "secret-7")],
        [plain("person7", "secret-7", "person7")],
        ["AUTH PLAIN", b64("\0person7\0secret-7")],
        ["AUTH LOGIN", user, password],
        [b"AUTH LOGIN " + user, password],
    ]
    outcomes = together(lambda dialog: said(linked, *dialog), dialogs)
    assert outcomes == [[235], [235], [334, 235], [334, 334, 235], [334, 235]]


WRONG: list[list[str | bytes]] = [
    [plain("person7", "secret-8")],
    [plain("person7", "")],
    [plain("nobody", "secret-7")],
    [plain("person7", "secret-7", "person8")],
    ["AUTH LOGIN", b64("person7"), b64("wrong")],
    [plain("secret-7", "", "person7")],
]
MALFORMED: list[list[str | bytes]] = [
    ["AUTH PLAIN", "*"],
    ["AUTH LOGIN", "*"],
    ["AUTH LOGIN", b64("person7"), "*"],
    ["AUTH PLAIN not-base64"],
    ["AUTH PLAIN ="],
    [b"AUTH PLAIN " + b64("person7")],
    ["AUTH LOGIN", b64("person7\0x"), b64("secret-7")],
]


def test_what_fails(homes: list[Home], make_home: MakeHome) -> None:
    """All at the same time, since each of these costs the client five seconds."""
    cut_off = make_home("cut-off", ldapserver=f"127.0.0.1:{free_port()}")
    cut_off.link("auth_smtp")
    expected = [
        (home, dialog, code)
        for home in homes
        for dialogs, code in ((WRONG, 535), (MALFORMED, 501))
        for dialog in dialogs
    ]
    expected.append((cut_off, [plain("person7", "secret-7")], 454))
    outcomes = together(lambda case: said(case[0], *case[1], "NOOP")[-2:], expected, limit=len(expected))
    assert outcomes == [[code, 250] for _, _, code in expected]


def test_no_core_once_a_password_may_be_in_it(linked: Home) -> None:
    with Dialog(linked, SMTPAUTH="") as session:
        session.ask(None, 220)
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.prlimit(session.process.pid, resource.RLIMIT_CORE, (most, most))
        session.ask(plain("person7", "secret-7").decode(), 235)
        assert resource.prlimit(session.process.pid, resource.RLIMIT_CORE)[0] == 0


def test_a_user_may_relay(linked: Home) -> None:
    done = linked.smtp(
        plain("person7", "secret-7")
        + b"\r\nMAIL FROM:<x@example.org>\r\nRCPT TO:<y@far.example>\r\nDATA\r\n\r\nx\r\n.\r\nQUIT\r\n",
        SMTPAUTH="",
        AUTHPREPEND="user-",
    )
    assert codes(done.stdout) == [220, 235, 250, 250, 354, 250, 221]
    (message,) = linked.queued()
    assert message.recipients == ["y@far.example"]
    assert b"user-person7@[" in message.message
