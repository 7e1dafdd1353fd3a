"""qmail-verify: who gets mail without being in the directory (SPEC section 8)."""

from __future__ import annotations

import pwd
import struct
from pathlib import Path

import pytest

from qmail_smtpd.directory import localusers

from ..support.home import Home
from ..support.slapd import Slapd
from .conftest import MakeHome
from .programs import verify

NO_SUCH = b"Dno mailbox by that name here (#5.1.1)"
AT = "@local.example.org"


def hashed(key: bytes) -> int:
    value = 5381
    for byte in key:
        value = (value * 33 & 0xFFFFFFFF) ^ byte
    return value


def cdb(pairs: dict[bytes, bytes]) -> bytes:
    """A constant database, written from the published description of the format."""
    records = b""
    slots: list[list[tuple[int, int]]] = [[] for _ in range(256)]
    for key, data in pairs.items():
        slots[hashed(key) & 255].append((hashed(key), 2048 + len(records)))
        records += struct.pack("<II", len(key), len(data)) + key + data
    head = tables = b""
    for entries in slots:
        head += struct.pack("<II", 2048 + len(records) + len(tables), 2 * len(entries))
        table = [(0, 0)] * (2 * len(entries))
        for value, place in entries:
            at = (value >> 8) % len(table)
            while table[at][1]:
                at = (at + 1) % len(table)
            table[at] = (value, place)
        tables += b"".join(struct.pack("<II", *slot) for slot in table)
    return head + records + tables


def assign(home: Home, exact: list[str], wild: list[str]) -> None:
    """users/cdb as qmail-newu(8) makes it: heads of wildcard assignments, and the bytes they end at."""
    data = b"user\0001001\0001001\0/home/user\0-\0\0"
    pairs = {b"": b"".join(sorted({head[-1:].encode() for head in wild if head}))}
    pairs |= {b"!" + name.encode() + b"\0": data for name in exact}
    pairs |= {b"!" + head.encode(): data for head in wild}
    (home.path / "users" / "cdb").write_bytes(cdb(pairs))


@pytest.fixture
def home(make_home: MakeHome) -> Home:
    """With local delivery on, which is the default."""
    return make_home(ldaplocaldelivery=None)


def test_assigned_users(home: Home) -> None:
    assign(home, ["exact", "with-dash", "mixed"], ["list-", "sub+"])
    known = ["exact", "EXACT", "with-dash", "list-", "list-anything", "List-a-b", "sub+x"]
    unknown = ["exact-x", "exac", "exactly", "with", "list", "listx", "sub", "su"]
    assert verify(home, *(f"{local}{AT}" for local in known)) == [b"K"] * len(known)
    assert verify(home, *(f"{local}{AT}" for local in unknown)) == [NO_SUCH] * len(unknown)


def test_a_catch_all_assignment(home: Home) -> None:
    assign(home, [], [""])
    assert verify(home, f"whoever{AT}", f"a-b{AT}") == [b"K", b"K"]


def test_a_longer_head_that_ends_elsewhere(home: Home) -> None:
    assign(home, [], ["a-b-", "a-"])
    assert verify(home, f"a-b-c{AT}", f"a-b{AT}", f"a{AT}") == [b"K", b"K", NO_SUCH]


def test_without_a_database_and_with_one_that_has_nobody(home: Home) -> None:
    assert verify(home, f"exact{AT}") == [NO_SUCH]
    assign(home, [], [])
    assert verify(home, f"exact{AT}") == [NO_SUCH]


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 2048, b"\xff" * 5000])
def test_a_corrupt_database_is_a_temporary_failure(home: Home, content: bytes) -> None:
    (home.path / "users" / "cdb").write_bytes(content)
    (answer,) = verify(home, f"exact{AT}")
    assert answer == b"Zthe local users cannot be looked up (#4.3.0)"
    assert "users/cdb: " in (home.path / "qmail-verify.log").read_text()


def test_an_unreadable_database_is_a_temporary_failure(home: Home) -> None:
    (home.path / "users" / "cdb").mkdir()
    assert verify(home, f"exact{AT}")[0].startswith(b"Z")
    assert verify(home, f"person0{AT}") == [b"K"]


def a_system_user() -> str:
    """Somebody who is not root and owns his home."""
    for user in pwd.getpwall():
        home = Path(user.pw_dir)
        if user.pw_uid and home.is_dir() and home.stat().st_uid == user.pw_uid and "-" not in user.pw_name:
            return user.pw_name
    raise AssertionError("no system user owns his home")


def test_system_users(home: Home) -> None:
    name = a_system_user()
    at = "@users.example.org"  # where the directory has no catch-all
    known = [name, name.upper(), f"{name}-ext", f"{name}-ext-of-ext", f"{name}-"]
    unknown = ["root", "root-ext", f"x{name}", f"{name}x", f"-{name}", f"{name}+ext", "", "-", "x" * 900, "\xff"]
    assert verify(home, *(f"{local}{at}" for local in known)) == [b"K"] * len(known)
    answers = verify(home, *(f"{local}{at}" for local in unknown if local))
    assert answers == [NO_SUCH] * (len(unknown) - 1)


def test_a_user_must_own_his_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uid = tmp_path.stat().st_uid

    def user(uid: int, home: str) -> pwd.struct_passwd:
        return pwd.struct_passwd(("somebody", "x", uid, 100, "", home, "/bin/sh"))

    for record, expected in [
        (user(uid + 1, str(tmp_path)), False),
        (user(uid + 1, str(tmp_path / "none")), False),
        (user(0, str(tmp_path)), False),
    ]:
        monkeypatch.setattr(pwd, "getpwnam", lambda name, record=record: record)
        assert localusers.system_user(b"somebody") is expected


@pytest.mark.parametrize("value", ["0", "0 off"])
def test_local_delivery_can_be_off(home: Home, value: str) -> None:
    assign(home, ["exact"], [])
    home.control("ldaplocaldelivery", value)
    assert verify(home, f"exact{AT}", f"{a_system_user()}{AT}", f"person0{AT}") == [NO_SUCH, NO_SUCH, b"K"]


@pytest.mark.parametrize("value", ["1", "yes", ""])
def test_local_delivery_is_the_default(home: Home, value: str) -> None:
    assign(home, ["exact"], [])
    home.control("ldaplocaldelivery", value)
    assert verify(home, f"exact{AT}") == [b"K"]


def test_the_directory_comes_first(home: Home, server: Slapd) -> None:
    assign(home, ["disabled", "deleted", "person0"], ["off-"])
    before = len(server.searches())
    assert [answer[:1] for answer in verify(home, f"disabled{AT}", f"deleted{AT}", f"off-x{AT}")] == [b"D", b"D", b"D"]
    assert len(server.searches()) - before == 4


@pytest.mark.parametrize("key", [b"!someone\0", b"!other\0", b"!"])
def test_a_database_without_its_record_of_wildcards(home: Home, key: bytes) -> None:
    """qmail-newu always writes one: the file is damaged, and nobody can tell who is in it."""
    (home.path / "users" / "cdb").write_bytes(cdb({key: b"user\0001001\0001001\0/home/user\0-\0\0"}))
    (answer,) = verify(home, "someone" + AT)
    assert answer.startswith(b"Z")
