"""bin/qmail-smtpd-check: limits of memory, and packages for another Python."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ..mailauth.zones import lookup_in
from ..support.checked import check, run
from ..support.home import Home, codes
from ..support.nameserver import NameServer
from ..support.processes import BIN, ROOT, program
from ..support.signed import key_record, signed

FOREIGN = "site-packages/_ldap.cpython-39-x86_64-linux-gnu.so"


def limited(home: Home, *limits: str, **env: str) -> str:
    argv = [program("prlimit"), *limits, str(BIN / "qmail-smtpd-check")]
    clean = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(home.path), **env}
    return subprocess.run(argv, env=clean, capture_output=True, text=True, timeout=60, check=False).stdout


@pytest.mark.parametrize(
    ("env", "what"),
    [
        ({}, "a session: 16 MB"),
        ({"SMTPS": "1"}, "a session with TLS: 26 MB"),
        ({"SSLCERT": ""}, "a session: 16 MB"),
        ({"DKIMVERIFY": ""}, "a session with DKIM: 40 MB"),
        ({"SMTPS": "1", "DMARCBEHAVIOR": "1"}, "a session with TLS and DKIM: 50 MB"),
        ({"RCPTCHECK": ""}, "the LDAP programs: 45 MB"),
        ({"SMTPAUTH": ""}, "the LDAP programs: 45 MB"),
    ],
)
def test_what_a_configuration_needs(home: Home, env: dict[str, str], what: str) -> None:
    assert run(home, env=env).stdout.endswith(f"\nmemory: {what} per process\n")


def test_long_lists_need_memory_and_a_database_does_not(home: Home) -> None:
    """Measured: 62 MB for the last of these with 60 recipients, without TLS and DKIM."""
    home.control("rcpthosts", "".join(f"dom{number}.example\n" for number in range(1, 20_001)))
    said = run(home).stdout
    assert "memory: a session with long lists: 19 MB per process\n" in said
    assert "hint: control/rcpthosts: each session reads all 20000 lines; qmail-cdb makes control/rcpthosts.cdb" in said
    home.control("badmailfrom", "".join(f"@dom{number}.example\n" for number in range(1, 250_001)))
    assert "a session with DKIM and long lists: 94 MB" in run(home, env={"DKIMVERIFY": ""}).stdout
    home.control("badmailfrom", "")
    database, listed = home.path / "control/rcpthosts.cdb", (home.path / "control/rcpthosts").read_bytes()
    argv = [str(BIN / "qmail-cdb"), str(database), f"{database}.tmp"]
    subprocess.run(argv, input=listed, check=True)
    assert run(home).stdout.endswith("memory: a session: 16 MB per process\n")
    assert "hint" not in run(home).stdout


def test_a_rule_can_ask_for_more(home: Home) -> None:
    rules = home.path / "rules"
    rules.write_text('192.0.2.:allow,SMTPAUTH=""\n:allow\n')
    assert "the LDAP programs: 45 MB" in run(home, "--rules", str(rules)).stdout


@pytest.mark.unmeasured
def test_limits_that_are_too_low(home: Home) -> None:
    """The check itself needs more than a session, so that not every limit can be tried."""
    said = limited(home, "--as=44000000", RCPTCHECK="")
    assert "error: limits: softlimit -a or -m, ulimit -v, LimitAS: 44.0 MB is in force, and 45.0 MB is needed" in said
    assert "error: limits: softlimit -d" in limited(home, "--data=14000000", SMTPAUTH="")
    assert "limits: softlimit -s or -m, ulimit -s, LimitSTACK: 64 kB is in force, and 128 kB" in limited(
        home, "--stack=65536"
    )
    assert "limits" not in limited(home, "--as=64000000", "--data=64000000", RCPTCHECK="")


def test_a_soft_limit_does_not_bind_the_check(home: Home) -> None:
    """That is what softlimit sets, in the run script of which people make a copy."""
    for size in (15, 20, 25):
        said = limited(home, f"--as={size}000000:unlimited", f"--data={size}000000:unlimited", DKIMVERIFY="")
        assert f"LimitAS: {size}.0 MB is in force, and 40.0 MB is needed for a session with DKIM" in said, said


def test_a_hard_limit_that_leaves_no_room_for_the_check(home: Home) -> None:
    argv = [program("prlimit"), "--as=20000000", BIN / "qmail-smtpd-check", "--home", home.path]
    done = subprocess.run(argv, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("qmail-smtpd-check: the limit of memory (ulimit -v, ulimit -d) leaves no room")


def test_what_we_ourselves_have_no_memory_for_is_not_missing(home: Home) -> None:
    said = limited(home, "--as=33000000", DKIMVERIFY="")
    assert "33.0 MB is in force, and 40.0 MB is needed for a session with DKIM" in said
    assert "packages" not in said


def upgraded(place: Path) -> Path:
    """The programs with packages of another Python, as after an upgrade of the system; their bin/."""
    shutil.copytree(ROOT / "qmail_smtpd", place / "qmail_smtpd", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "bin").mkdir()
    for name in ("qmail-smtpd", "qmail-smtpd-check", "qmail-verify", "auth_smtp"):
        shutil.copy(BIN / name, place / "bin")
    (place / "site-packages").mkdir()
    (place / FOREIGN).write_bytes(b"")
    return place / "bin"


def test_packages_for_another_python(tmp_path: Path, home: Home) -> None:
    """Check says so, each session logs it at every level, and what needs no package works; what needs one defers."""
    upgraded(tmp_path)
    env = home.env(RCPTCHECK="", LOGLEVEL="0", LDAPSERVER="")
    home.control("locals", "example.org\n")
    home.control("ldapserver", "127.0.0.1:1\n")
    home.control("ldapbasedn", "dc=example,dc=org\n")
    (home.path / "bin").mkdir(exist_ok=True)
    (home.path / "bin/qmail-verify").unlink(missing_ok=True)
    (home.path / "bin/qmail-verify").symlink_to(tmp_path / "bin/qmail-verify")
    text = b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nQUIT\r\n"
    for _ in range(2):  # the bundle stays unwritten
        argv = [tmp_path / "bin" / "qmail-smtpd"]
        done = subprocess.run(argv, input=text, capture_output=True, env=env, timeout=60, check=False)
        assert codes(done.stdout) == [220, 250, 451, 221]
        assert b"the packages were installed for cpython-39-x86_64-linux-gnu, and this is python3." in done.stderr
        assert b"cannot go on: ModuleNotFoundError: No module named '_ldap'" in done.stderr
    argv = [tmp_path / "bin" / "qmail-smtpd-check", "--home", home.path]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout
    assert "error: packages: the packages were installed for cpython-39" in said


@pytest.mark.parametrize(
    ("files", "env", "said", "expected"),
    [
        ({}, {"DKIMVERIFY": ""}, b"", [220, 250, 250, 354, 451, 221]),
        ({"locals.cdb": ""}, {}, b"", [220, 250, 451, 503]),
        ({}, {"SMTPAUTH": ""}, b"AUTH PLAIN AGpvZQBzZWNyZXQ=\r\n", [220, 454, 250, 250, 354, 250, 221]),
    ],
)
def test_what_needs_a_package_is_trouble_of_ours(
    tmp_path: Path, home: Home, files: dict[str, str], env: dict[str, str], said: bytes, expected: list[int]
) -> None:
    """Neither an acceptance nor a refusal for good."""
    programs = upgraded(tmp_path / "upgraded")
    (home.path / "bin/auth_smtp").symlink_to(programs / "auth_smtp")
    home.control("ldapserver", "127.0.0.1:1\n")
    if "locals.cdb" in files:
        database = home.path / "control/locals.cdb"
        argv = [BIN / "qmail-cdb", database, f"{database}.tmp"]
        subprocess.run(argv, input=b"local.example.org\n", env={}, check=True)
    message = signed(b"From: joe@signer.example\r\nSubject: hi\r\n\r\nhi\r\n", "signer.example")
    text = said + b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n" + message + b".\r\nQUIT\r\n"
    with NameServer(lookup_in({"sel._domainkey.signer.example": [{"TXT": key_record()}]})) as server:
        full = home.env(DNSCACHEIP=f"127.0.0.1:{server.port}", LOGLEVEL="0", **env)
        done = subprocess.run(
            [programs / "qmail-smtpd"], input=text, capture_output=True, env=full, timeout=60, check=False
        )
    assert codes(done.stdout)[: len(expected)] == expected, done.stderr
    assert b"the packages were installed for cpython-39" in done.stderr


def test_a_package_that_is_missing(tmp_path: Path, home: Home) -> None:
    shutil.copytree(ROOT / "qmail_smtpd", tmp_path / "qmail_smtpd", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    shutil.copy(BIN / "qmail-smtpd-check", tmp_path / "bin")
    (tmp_path / "site-packages").mkdir()
    argv = [tmp_path / "bin" / "qmail-smtpd-check", "--home", home.path]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout
    assert "error: packages: pycdb is missing, run make install again: No module named" in said


@pytest.mark.parametrize(
    ("base", "meant"),
    [
        ("zen.spamhuas.org", "zen.spamhaus.org"),
        ("ZEN.spamhaus.ogr.", "zen.spamhaus.org"),
        ("zen.spamhaus.org", ""),
        ("sbl.spamhaus.org", ""),
        ("dnsbl-1.uceprotect.net", ""),
        ("list.example", ""),
    ],
)
def test_misspelt_public_lists(home: Home, base: str, meant: str) -> None:
    home.control("rbllist", f"{base} reject any Listed.\n")
    checked = check(home, RBL="")
    assert checked.has("warning", "control/rbllist:1", f"did you mean {meant}?") == bool(meant)
