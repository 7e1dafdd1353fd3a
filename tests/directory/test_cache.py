"""qmail-verify with control/ldapcache: what it remembers, for how long, and that it never stands in the way."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from qmail_smtpd.directory import cache as module
from qmail_smtpd.directory.cache import Cache
from qmail_smtpd.directory.program import MaskLog
from qmail_smtpd.directory.settings import Settings

from ..support.home import Home
from ..support.processes import free_port
from ..support.slapd import Slapd
from .conftest import MakeHome
from .programs import Verifier, login, verify

NO_SUCH = b"Dno mailbox by that name here (#5.1.1)"
OFF = b"Dthe mailbox is disabled (#5.2.1)"
NOT_NOW = b"Zthe directory is not available (#4.3.0)"
AT = "@local.example.org"
AGE = 3600


@pytest.fixture
def home(make_home: MakeHome) -> Home:
    return make_home(ldapcache=str(AGE))


def file_of(home: Home) -> Path:
    return home.path / "cache" / "ldap.sqlite3"


def grow_older(home: Home, seconds: float) -> None:
    """Let time pass for what the cache holds."""
    with sqlite3.connect(file_of(home)) as database:
        database.execute("UPDATE outcome SET time = time - ?", (seconds,))
    database.close()


def cut_off(home: Home) -> None:
    """No server any more."""
    home.control("ldapserver", f"127.0.0.1:{free_port()}")


def test_it_is_off_by_default(make_home: MakeHome) -> None:
    for home in (make_home("none"), make_home("zero", ldapcache="0")):
        assert verify(home, f"person0{AT}") == [b"K"]
        assert not (home.path / "cache").exists()


def test_within_its_time_it_answers_without_the_server(home: Home, server: Slapd) -> None:
    addresses = [f"{local}{AT}" for local in ("person0", "alias.person1", "nobody", "a-x", "disabled", "deleted")]
    expected = [b"K", b"K", NO_SUCH, NO_SUCH, OFF, NO_SUCH]
    assert verify(home, *addresses) == expected
    before = len(server.searches()), server.connections()
    grow_older(home, AGE - 60)
    assert verify(home, *addresses, f"PERSON0{AT.upper()}") == [*expected, b"K"]
    assert (len(server.searches()), server.connections()) == before
    cut_off(home)
    assert verify(home, *addresses) == expected
    assert "error: " not in (home.path / "qmail-verify.log").read_text()


def test_after_its_time_it_asks_again(home: Home, server: Slapd) -> None:
    assert verify(home, f"person0{AT}") == [b"K"]
    grow_older(home, AGE + 1)
    before = len(server.searches())
    assert verify(home, f"person0{AT}", f"person0{AT}") == [b"K", b"K"]
    assert len(server.searches()) == before + 1


def test_old_answers_are_better_than_none(home: Home) -> None:
    assert verify(home, f"person0{AT}", f"nobody{AT}", f"disabled{AT}") == [b"K", NO_SUCH, OFF]
    grow_older(home, AGE * 10 - 60)
    cut_off(home)
    addresses = (f"person0{AT}", f"nobody{AT}", f"disabled{AT}", f"person1{AT}")
    assert verify(home, *addresses) == [b"K", NO_SUCH, OFF, NOT_NOW]
    assert (home.path / "qmail-verify.log").read_text().count("answered by an old entry of the cache") == 3
    grow_older(home, 120)
    assert verify(home, *addresses) == [NOT_NOW] * 4


def test_an_old_answer_does_not_become_young(home: Home) -> None:
    assert verify(home, f"person0{AT}") == [b"K"]
    grow_older(home, AGE * 9)
    cut_off(home)
    assert verify(home, f"person0{AT}") == [b"K"]
    grow_older(home, AGE * 2)
    assert verify(home, f"person0{AT}") == [NOT_NOW]


def test_temporary_answers_are_not_kept(home: Home, server: Slapd) -> None:
    before = len(server.searches())
    assert [a[:1] for a in verify(home, f"twin{AT}", f"twin{AT}", f"twostates{AT}")] == [b"Z"] * 3
    assert len(server.searches()) == before + 3
    cut_off(home)
    assert verify(home, f"person0{AT}") == [NOT_NOW]
    home.control("ldapserver", server.host_port)
    assert verify(home, f"person0{AT}") == [b"K"]


def test_a_change_of_base_or_object_class_is_noticed(home: Home) -> None:
    assert verify(home, f"person0{AT}") == [b"K"]
    home.control("ldapobjectclass", "organization")
    assert verify(home, f"person0{AT}") == [NO_SUCH]
    home.control("ldapobjectclass", "")
    home.control("ldapbasedn", "ou=people,dc=example,dc=org")
    cut_off(home)
    assert verify(home, f"person0{AT}") == [NOT_NOW]


def test_local_users_are_looked_up_each_time(home: Home) -> None:
    home.control("ldaplocaldelivery", "1")
    assert verify(home, f"nobody-there{AT}") == [NO_SUCH]
    home.control("ldaplocaldelivery", "0")
    assert verify(home, f"nobody-there{AT}") == [NO_SUCH]


def test_a_clock_that_was_set_back(home: Home, server: Slapd) -> None:
    assert verify(home, f"person0{AT}") == [b"K"]
    grow_older(home, -AGE)
    before = len(server.searches())
    assert verify(home, f"person0{AT}", f"person0{AT}") == [b"K", b"K"]
    assert len(server.searches()) == before + 1


def test_what_is_too_old_is_deleted(home: Home) -> None:
    assert verify(home, f"person0{AT}", f"person1{AT}") == [b"K", b"K"]
    grow_older(home, AGE * 11)
    assert verify(home, f"person2{AT}") == [b"K"]
    database = sqlite3.connect(file_of(home))
    assert database.execute("SELECT count(*) FROM outcome").fetchone() == (1,)
    database.close()


def test_passwords_are_never_kept(home: Home) -> None:
    home.control("ldaprebind", "1")
    assert login(home, "person0", "secret-0") == b"Kperson0\0"
    assert not (home.path / "cache").exists()


def test_the_file_is_ours_alone(home: Home) -> None:
    verify(home, f"person0{AT}")
    assert file_of(home).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["garbage", "folder", "not ours", "other table", "cut"])
def test_a_damaged_cache_is_done_without(home: Home, damage: str) -> None:
    path = file_of(home)
    if damage == "not ours":
        path.parent.write_text("a file where the folder should be")
    else:
        verify(home, *(f"person{n}{AT}" for n in range(200)))
        if damage == "folder":
            path.unlink()
            path.mkdir()
        elif damage == "other table":
            path.unlink()
            database = sqlite3.connect(path)
            database.execute("CREATE TABLE outcome (x)")
            database.close()
        else:
            content = path.read_bytes()
            path.write_bytes(b"garbage" * 2000 if damage == "garbage" else content[: len(content) // 2])
    assert verify(home, f"person0{AT}", f"nobody{AT}") == [b"K", NO_SUCH]
    logged = (home.path / "qmail-verify.log").read_text()
    if damage != "cut":  # which may leave the page that is looked at
        assert logged.count("going without a cache") == 1


def test_a_locked_cache_is_done_without(home: Home, server: Slapd) -> None:
    verify(home, f"person0{AT}")
    locker = sqlite3.connect(file_of(home), isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    assert verify(home, f"person0{AT}", f"person1{AT}", f"person2{AT}") == [b"K"] * 3
    locker.execute("ROLLBACK")
    locker.close()
    log = (home.path / "qmail-verify.log").read_text()
    assert log.count("writing no more") == 1
    assert log.count("answered by the cache") == 1, "what is there is still read"


def settings_for(home: Home) -> Settings:
    from qmail_smtpd.control.files import ControlFiles

    return Settings(ControlFiles(bytes(home.path / "control")))


def test_all_statements_together_wait_no_longer_than_allowed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.path)
    monkeypatch.setattr(module, "LOCK_TIMEOUT", 0.2)
    cache = Cache(settings_for(home), MaskLog(b"test", 0))
    cache.keep(b"a@b", b"K")
    locker = sqlite3.connect(file_of(home), isolation_level=None, check_same_thread=False)
    for round_number in range(200):  # as often as it takes on a slow machine
        if cache._read_only:
            break
        locker.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.05, locker.execute, ("ROLLBACK",))
        release.start()
        cache.keep(b"a%d@b" % round_number, b"K")
        release.join()
    locker.close()
    assert cache._read_only and cache.fresh(b"a@b") == b"K"


@pytest.mark.parametrize("outcome", [b"?", b"KK", b"", 5, 1.5, "K", 1 << 62])
def test_an_outcome_that_is_none(home: Home, server: Slapd, outcome: object) -> None:
    """One changed byte costs a search, not the session."""
    verify(home, f"person0{AT}")
    with contextlib.closing(sqlite3.connect(file_of(home), isolation_level=None)) as database:
        database.execute("UPDATE outcome SET outcome = ?", (outcome,))
    assert verify(home, f"person0{AT}", f"nobody{AT}") == [b"K", NO_SUCH]
    assert "Traceback" not in (home.path / "qmail-verify.log").read_text()


def test_a_full_cache_forgets_the_oldest(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.path)
    monkeypatch.setattr(module, "LARGEST", 20)
    monkeypatch.setattr(module, "OLDEST", 10)
    cache = Cache(settings_for(home), MaskLog(b"test", 0))
    for number in range(500):
        cache.keep(b"x" * 800 + b"%d@b" % number, b"K")
        assert not cache._off and not cache._read_only
    kept = [cache.fresh(b"x" * 800 + b"%d@b" % number) for number in range(500)]
    assert kept[0] == b"" and b"K" in kept[-20:]


def test_a_clock_set_back_by_a_minute(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.path)
    cache = Cache(settings_for(home), MaskLog(b"test", 0))
    cache.keep(b"a@b", b"K")
    monkeypatch.setattr(module, "time", lambda: time.time() - 60)
    cache.keep(b"b@b", b"K")
    assert cache.fresh(b"a@b") == b"K"
    monkeypatch.setattr(module, "time", lambda: time.time() - 86400)
    assert cache.fresh(b"a@b") == b""


def test_many_writers_at_once(home: Home, server: Slapd) -> None:
    verify(home, f"person0{AT}")
    verifiers = [Verifier(home) for _ in range(8)]
    for number, verifier in enumerate(verifiers):
        verifier.send(b"".join(b"person%d%b\0" % (number * 40 + n, AT.encode()) for n in range(40)))
    for verifier in verifiers:
        assert [verifier.read() for _ in range(40)] == [b"K"] * 40
    assert [verifier.close() for verifier in verifiers] == [0] * 8
    database = sqlite3.connect(file_of(home))
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("SELECT count(*) FROM outcome").fetchone()[0] > 1
    database.close()


def test_a_process_that_is_killed_leaves_the_cache_whole(home: Home) -> None:
    for _ in range(3):
        with Verifier(home) as verifier:
            verifier.send(b"".join(b"person%d%b\0" % (n, AT.encode()) for n in range(500)))
            assert verifier.read() == b"K"
    cut_off(home)
    assert verify(home, f"person0{AT}") == [b"K"]


def test_python_ldap_is_not_imported_for_a_fresh_answer(home: Home) -> None:
    verify(home, f"person0{AT}")
    import os
    import subprocess

    from ..support.processes import BIN

    argv = ["/usr/bin/python3", "-I", "-S", "-X", "importtime", os.fspath(BIN / "qmail-verify")]
    done = subprocess.run(
        argv, input=f"person0{AT}\0".encode(), capture_output=True, env=home.env(), timeout=60, check=True
    )
    assert done.stdout == b"K"
    imported = {
        line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines() if line.startswith(b"import time:")
    }
    assert b"sqlite3" in imported and b"_ldap" not in imported
