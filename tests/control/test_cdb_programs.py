"""bin/qmail-cdb and bin/qmail-newmrh, their files read by Debian's cdb programs, and the other way round."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycdb import CDB  # type: ignore[import-untyped]

from qmail_smtpd.control.cdbmake import make
from qmail_smtpd.control.files import list_lines

from ..support.home import Home
from ..support.processes import BIN, program, running, wait_until

LIST = b"# domains\nExample.ORG \n.Sub.example.org\t\n\n \nexample.org\nnul\0cut\n#x\nlast.example"
KEYS = [b"example.org", b".sub.example.org", b"nul", b"last.example"]
LIMITED = ["prlimit", "--fsize=4096", "/usr/bin/python3", "-ISB"]


def qmail_cdb(
    folder: Path, text: bytes, *names: str, prefix: list[str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    argv = [*(prefix or []), str(BIN / "qmail-cdb"), *(names or ("list.cdb", "list.tmp"))]
    return subprocess.run(argv, cwd=folder, input=text, capture_output=True, timeout=60, check=False)


def make_list(folder: Path, text: bytes) -> Path:
    done = qmail_cdb(folder, text)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not (folder / "list.tmp").exists()
    return folder / "list.cdb"


def cdbget(path: Path, key: bytes) -> bool:
    with open(path, "rb") as file:
        return subprocess.run([program("cdbget"), key], stdin=file, check=False).returncode == 0


def tinycdb(path: Path, key: bytes) -> bool:
    return subprocess.run([program("cdb"), "-q", path, key], stdout=subprocess.DEVNULL, check=False).returncode == 0


def in_pycdb(path: Path, key: bytes) -> bool:
    with open(path, "rb") as file:
        return bool(CDB(file).findstart().findnext(key))


READERS = [cdbget, tinycdb, in_pycdb]


def dumped(path: Path) -> list[bytes]:
    """The records, in order, as cdbdump of freecdb prints them."""
    with open(path, "rb") as file:
        return subprocess.run([program("cdbdump")], stdin=file, capture_output=True, check=True).stdout.splitlines()


def by_cdbmake(folder: Path, keys: list[bytes]) -> bytes:
    """The file that Debian's cdbmake makes of these keys."""
    text = b"".join(b"+%d,0:%b->\n" % (len(key), key) for key in keys) + b"\n"
    argv = [program("cdbmake"), str(folder / "other.cdb"), str(folder / "other.tmp")]
    subprocess.run(argv, input=text, check=True)
    return (folder / "other.cdb").read_bytes()


def test_rules_of_a_list_file(tmp_path: Path) -> None:
    path = make_list(tmp_path, LIST)
    assert dumped(path)[: len(KEYS)] == [b"+%d,0:%b->" % (len(key), key) for key in KEYS]
    for found in READERS:
        assert all(found(path, key) for key in KEYS)
        assert not any(found(path, key) for key in (b"Example.ORG", b"# domains", b"cut", b"org"))


def test_same_bytes_as_cdbmake(tmp_path: Path) -> None:
    assert make_list(tmp_path, LIST).read_bytes() == by_cdbmake(tmp_path, KEYS)


@given(st.lists(st.binary(max_size=12), max_size=50))
def test_any_list(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("list")
    text = b"\n".join(lines)
    make(list_lines(text), os.fsencode(folder / "list.cdb"), os.fsencode(folder / "list.tmp"))
    keys = list(dict.fromkeys(key.lower() for key in list_lines(text)))
    assert (folder / "list.cdb").read_bytes() == by_cdbmake(folder, keys)
    assert all(in_pycdb(folder / "list.cdb", key) for key in keys)


def test_empty_list(tmp_path: Path) -> None:
    path = make_list(tmp_path, b"")
    assert path.stat().st_size == 2048
    assert not any(found(path, b"example.org") for found in READERS)


def test_a_hundred_thousand_lines(tmp_path: Path) -> None:
    path = make_list(tmp_path, b"".join(b"Host%d.Example.org\n" % number for number in range(100_000)))
    assert len(dumped(path)) >= 100_000
    for found in READERS:
        assert found(path, b"host0.example.org") and found(path, b"host99999.example.org")
        assert not found(path, b"host100000.example.org")


def test_a_hundred_thousand_times_the_same_line(tmp_path: Path) -> None:
    assert make_list(tmp_path, b"Example.org\nexample.ORG\n" * 50_000).stat().st_size == 2048 + 8 + 11 + 16


def test_mode_and_replacement(tmp_path: Path) -> None:
    path = make_list(tmp_path, b"old\n")
    with open(path, "rb") as reader:
        assert make_list(tmp_path, b"new\n") == path
        assert reader.read().count(b"old") == 1  # an open file stays whole
    assert in_pycdb(path, b"new") and not in_pycdb(path, b"old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_leftovers_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "list.tmp").write_bytes(b"x" * 100_000)
    assert make_list(tmp_path, LIST).read_bytes() == by_cdbmake(tmp_path, KEYS)


def kept(folder: Path, done: subprocess.CompletedProcess[bytes], word: bytes) -> None:
    """The program said why, failed, and the old database is as it was."""
    assert done.returncode == 111
    assert done.stderr.startswith(b"qmail-cdb ") and word in done.stderr and done.stderr.count(b"\n") == 1
    assert in_pycdb(folder / "list.cdb", b"old")
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["list.cdb"]


def test_errors_keep_the_old_file(tmp_path: Path) -> None:
    make_list(tmp_path, b"old\n")
    (tmp_path / "folder").mkdir()
    kept(
        tmp_path,
        qmail_cdb(tmp_path, LIST * 100, prefix=["sh", "-c", 'exec "$@" <&-', "sh"]),
        b"standard input",
    )
    everything = b"".join(b"line%d\n" % number for number in range(1000))
    kept(tmp_path, qmail_cdb(tmp_path, everything, prefix=LIMITED), b"File too large")
    kept(tmp_path, qmail_cdb(tmp_path, LIST, "list.cdb", "list.cdb"), b"same file")
    kept(tmp_path, qmail_cdb(tmp_path, LIST, "list.cdb", "folder"), b"Is a directory")
    kept(tmp_path, qmail_cdb(tmp_path, LIST, "folder", "list.tmp"), b"Is a directory")
    kept(tmp_path, qmail_cdb(tmp_path, LIST, "missing/list.cdb", "missing/list.tmp"), b"No such file")
    kept(tmp_path, qmail_cdb(tmp_path, LIST, "list.cdb", "/proc/list.tmp"), b"/proc/list.tmp")
    kept(tmp_path, qmail_cdb(tmp_path, LIST, "list.cdb", "/dev/null"), b"not a regular file")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    make_list(tmp_path, b"old\n")
    for folder in (tmp_path, Path("/proc/self/mem")):
        fd = os.open(folder, os.O_RDONLY)
        argv = [str(BIN / "qmail-cdb"), "list.cdb", "list.tmp"]
        done = subprocess.run(argv, cwd=tmp_path, stdin=fd, capture_output=True, timeout=60, check=False)
        os.close(fd)
        assert done.returncode != 0 and done.stderr
        assert in_pycdb(tmp_path / "list.cdb", b"old")


@pytest.mark.parametrize("names", [("one",), ("one", "two", "three")])
def test_usage(tmp_path: Path, names: tuple[str, ...]) -> None:
    done = qmail_cdb(tmp_path, LIST, *names)
    assert done.returncode == 100 and b"usage" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_one_waits_for_the_first(tmp_path: Path) -> None:
    make_list(tmp_path, b"old\n")
    text = tmp_path / "list"
    text.write_bytes(b"new\n")
    with open(tmp_path / "list.tmp", "wb") as first, open(text, "rb") as source:
        fcntl.flock(first, fcntl.LOCK_EX)
        first.write(b"half")
        first.flush()
        argv = [str(BIN / "qmail-cdb"), "list.cdb", "list.tmp"]
        with running(argv, cwd=tmp_path, stdin=source.fileno()) as second:
            held = os.stat(tmp_path / "list.tmp").st_ino
            wait_until(lambda: f":{held} " in locks_waited_for(second.pid), "it waits for the lock")
            os.rename(tmp_path / "list.tmp", tmp_path / "list.cdb")  # the first is done
            fcntl.flock(first, fcntl.LOCK_UN)
            assert second.wait(30) == 0
    assert in_pycdb(tmp_path / "list.cdb", b"new")
    assert not (tmp_path / "list.tmp").exists()


def locks_waited_for(pid: int) -> str:
    return "".join(line for line in Path("/proc/locks").read_text().splitlines() if "->" in line and f" {pid} " in line)


def test_newmrh(tmp_path: Path) -> None:
    home = Home(tmp_path, {"morercpthosts": LIST})
    home.link("qmail-newmrh")
    argv, control = [str(home.path / "bin/qmail-newmrh")], home.path / "control"
    done = subprocess.run(argv, env=home.env(), cwd="/", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (control / "morercpthosts.cdb").read_bytes() == by_cdbmake(tmp_path, KEYS)
    assert not (control / "morercpthosts.tmp").exists()
    assert subprocess.run([*argv, "x"], env=home.env(), stderr=subprocess.DEVNULL, check=False).returncode == 100
    for spoil in ((control / "morercpthosts").unlink, (control / "morercpthosts").mkdir):
        spoil()
        done = subprocess.run(argv, env=home.env(), capture_output=True, timeout=60, check=False)
        assert done.returncode == 111 and b"morercpthosts" in done.stderr
        assert in_pycdb(control / "morercpthosts.cdb", b"example.org")


def test_our_reader_takes_theirs(tmp_path: Path) -> None:
    """What Debian's two programs make is read by the library that qmail-smtpd uses."""
    by_cdbmake(tmp_path, KEYS)
    text = b"".join(b"+%d,0:%b->\n" % (len(key), key) for key in KEYS) + b"\n"
    subprocess.run([program("cdb"), "-c", tmp_path / "tiny.cdb"], input=text, check=True)
    for name in ("other.cdb", "tiny.cdb"):
        assert all(in_pycdb(tmp_path / name, key) for key in KEYS)
        assert not in_pycdb(tmp_path / name, b"org")
