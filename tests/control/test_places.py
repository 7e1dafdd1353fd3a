"""Modules, plugins and databases that somebody else could have put there are not used."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmail_smtpd.control.places import trouble

from ..inspect.test_check import check
from ..support import site_checker
from ..support.certificates import Pki, install
from ..support.home import Home, codes
from ..support.plugin_site import ENVELOPE, PluginSite
from ..support.tls import SmtpClient

SOMEBODY = 65534
MAIL = "MAIL FROM:<s@sender.example>\r\nQUIT\r\n"
NEEDS_ROOT = os.geteuid() == 0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    (folder / "file").write_text("")
    (folder / "file").chmod(0o644)
    yield folder / "file"


def test_ours_alone(file: Path) -> None:
    assert trouble(str(file)) == trouble(os.fsencode(file)) == trouble(str(file.parent / "missing")) == ""
    assert trouble("/bin/sh") == ""


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_who_may_write(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert trouble(str(file)) == f"others may write to {file}"
    file.chmod(0o644)
    file.parent.chmod(mode | 0o111)
    assert trouble(str(file)) == f"others may write to {file.parent}"
    file.parent.chmod(0o1777)
    assert trouble(str(file)) == f"others may write to {file.parent}", "files can be added beside it"


def test_folders_above(file: Path) -> None:
    above = file.parent.parent
    above.chmod(0o777)
    assert trouble(str(file)) == f"others may write to {above}"
    above.chmod(0o1777)
    assert trouble(str(file)) == ""
    above.chmod(0o755)


def test_both_ends_of_a_link(file: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "link").symlink_to(file)
    assert trouble(str(links / "link")) == ""
    links.chmod(0o777)
    assert trouble(str(links / "link")) == f"others may write to {links}"
    links.chmod(0o755)
    file.parent.chmod(0o777)
    assert trouble(str(links / "link")) == f"others may write to {file.parent}"


def made_by_somebody(*paths: Path) -> None:
    """Only root can give a file away; else it is a mode that shows."""
    for path in paths:
        if NEEDS_ROOT:
            os.chown(path, SOMEBODY, SOMEBODY)
        else:
            path.chmod(0o777)


# What is done about it

EVIL = "open({mark!r}, 'w').close()\ndef setup(config):\n    return None\n"


def test_a_checker(home: Home, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    site_checker.install(home, EVIL.format(mark=str(mark)), "evil")
    made_by_somebody(home.path / "checkers/evil.py")
    done = home.smtp(MAIL)
    assert codes(done.stdout) == [220, 451, 221] and not mark.exists()
    assert b"checker evil cannot be loaded: ImportError: " in done.stderr
    (home.path / "checkers/evil.py").unlink()
    site_checker.install(home, EVIL.format(mark=str(mark)), "evil")
    assert codes(home.smtp(MAIL).stdout) == [220, 250, 221] and mark.exists()


@pytest.mark.parametrize("folder", ["checkers", "checkers/__pycache__", "."])
def test_the_folder_of_a_checker(home: Home, tmp_path: Path, folder: str) -> None:
    """Byte-code too can be planted."""
    mark = tmp_path / "executed"
    site_checker.install(home, EVIL.format(mark=str(mark)), "evil")
    (home.path / folder).mkdir(exist_ok=True)
    (home.path / folder).chmod(0o777)
    assert codes(home.smtp(MAIL).stdout) == [220, 451, 221] and not mark.exists()


def test_what_a_checker_imports(home: Home, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    (home.path / "shared.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    site_checker.install(home, "import shared\ndef setup(config):\n    return None\n", "ours")
    (home.path / "shared.py").chmod(0o666)
    assert codes(home.smtp(MAIL).stdout) == [220, 451, 221] and not mark.exists()
    (home.path / "shared.py").chmod(0o644)
    assert codes(home.smtp(MAIL).stdout) == [220, 250, 221] and mark.exists()


def test_a_plugin(home: Home) -> None:
    site = PluginSite(home)
    path = site.says("mail", "E550 not you")
    path.chmod(0o777)
    done = site.talk(ENVELOPE)
    assert codes(done.stdout)[1] == 451 and b"others may write to" in done.stderr
    path.chmod(0o755)
    assert codes(site.talk(ENVELOPE).stdout)[1] == 550


def planted(home: Home) -> Path:
    """An answer that nobody got from a directory."""
    (home.path / "cache").mkdir(mode=0o700)
    path = home.path / "cache/ldap.sqlite3"
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE outcome (question BLOB PRIMARY KEY, outcome BLOB NOT NULL, time REAL NOT NULL) WITHOUT ROWID"
    )
    answer = (b"dc=x\0\0nobody@local.example.org", b"K", time.time())
    database.execute("INSERT INTO outcome VALUES (?, ?, ?)", answer)
    database.commit()
    database.close()
    return path


@pytest.mark.parametrize("name", ["cache", "cache/ldap.sqlite3"])
def test_the_cache_of_the_directory(home: Home, name: str) -> None:
    for file, text in (("ldapserver", "ldap://127.0.0.1:9/\n"), ("ldapbasedn", "dc=x\n"), ("ldapcache", "3600\n")):
        home.control(file, text)
    planted(home)
    home.link("qmail-verify")
    rcpt = "MAIL FROM:<s@sender.example>\r\nRCPT TO:<nobody@local.example.org>\r\nQUIT\r\n"
    assert codes(home.smtp(rcpt, RCPTCHECK="").stdout) == [220, 250, 250, 221], "it would be believed"
    made_by_somebody(home.path / name)
    done = home.smtp(rcpt, RCPTCHECK="", LOGLEVEL="255")
    assert codes(done.stdout) == [220, 250, 451, 221] and b"going without a cache" in done.stderr


# A core


def test_no_core_from_the_first_key_on(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    pki = Pki(tmp_path_factory.mktemp("pki"))
    install(home, pki.server())
    with SmtpClient(home) as client:
        hard = resource.prlimit(client.process.pid, resource.RLIMIT_CORE)[1]
        resource.prlimit(client.process.pid, resource.RLIMIT_CORE, (hard, hard))
        assert hard, "a host that writes no cores shows nothing"
        client.starttls(pki.trusting())
        assert resource.prlimit(client.process.pid, resource.RLIMIT_CORE)[0] == 0


# What qmail-smtpd-check tells

UNSAFE = {
    "control": "everybody may write to it",
    "control/rcpthosts": "everybody may write to it",
    "bin": "everybody may write to it",
    "bin/qmail-queue": "everybody may write to it",
    "checkers": "everybody may write to it",
    "cache": "others may write to it",
    "Maildir": "others may write to it",
}


@pytest.mark.parametrize("name", UNSAFE)
def test_the_check_tells(home: Home, name: str) -> None:
    for folder in ("cache", "checkers", "Maildir"):
        (home.path / folder).mkdir()
    assert check(home).findings == []
    (home.path / name).chmod(0o777)
    assert check(home).has("error", name, UNSAFE[name])


def test_the_check_tells_of_a_key(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    install(home, Pki(tmp_path_factory.mktemp("pki")).server())
    assert check(home).findings == []
    (home.path / "control/cert.pem").chmod(0o644)
    assert check(home).has("error", "control/cert.pem", "others may read or change this key")
