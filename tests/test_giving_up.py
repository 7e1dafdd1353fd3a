"""What clients talk to, when it cannot work: too little memory, a package that cannot be read (SPEC section 1)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from .support.home import Home, codes
from .support.processes import BIN, ROOT, program

PLAIN = "MAIL FROM:<s@sender.example>\r\nQUIT\r\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "qmail_smtpd", tmp_path / "qmail_smtpd", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    for name in ("qmail-smtpd", "pbscheck"):
        shutil.copy(BIN / name, tmp_path / "bin")
    return tmp_path


def least_for_python() -> int:
    """Bytes with which the interpreter itself gets as far as a script."""
    for size in range(8_000_000, 64_000_000, 500_000):
        argv = [program("prlimit"), f"--as={size}", "/usr/bin/python3", "-ISc", "print(1)"]
        if subprocess.run(argv, capture_output=True, timeout=60, check=False).stdout == b"1\n":
            return size
    raise AssertionError("Python does not start")


def test_too_little_memory_is_said_in_a_line(home: Home) -> None:
    """From what Python needs to read a script, in small steps: a reply and one line in the log, or a session. (With
    less, Python ends by itself.)"""
    ends, python = set(), least_for_python()
    for step in range(0, 4_000_000, 250_000):
        limits = [f"--{name}={python + step}" for name in ("as", "data", "stack")]
        argv = [program("prlimit"), *limits, str(BIN / "qmail-smtpd")]
        done = subprocess.run(
            argv, input=PLAIN.encode(), capture_output=True, env=home.env(LOGLEVEL="0"), timeout=60, check=False
        )
        assert b"Error" not in done.stdout
        ends.add(tuple(codes(done.stdout)))
        if codes(done.stdout) == [421]:
            assert done.stderr.count(b"\n") == 1 and b": cannot go on: MemoryError: a limit" in done.stderr
            assert done.returncode == 1
    assert {(421,), (220, 250, 221)} <= ends <= {(), (421,), (220, 250, 221)}


@pytest.mark.parametrize("program_name", ["qmail-smtpd", "pbscheck"])
@pytest.mark.parametrize("trouble", ["gone", "nonsense"])
def test_half_an_upgrade(tree: Path, home: Home, trouble: str, program_name: str) -> None:
    module = tree / "qmail_smtpd/control/files.py"
    module.unlink() if trouble == "gone" else module.write_text("def\n")
    argv = [tree / "bin" / program_name]
    done = subprocess.run(argv, input=b"QUIT\r\n", capture_output=True, env=home.env(), timeout=60, check=False)
    assert (codes(done.stdout), done.returncode) == ([421], 1)
    assert b"(#4.3.0)" in done.stdout
    name = b"ModuleNotFoundError" if trouble == "gone" else b"SyntaxError"
    assert done.stderr.startswith(program_name.encode() + b" ") and b": cannot go on: " + name in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["qmail-smtpd", "pbscheck"])
def test_under_inetd_the_client_sees_no_python(tree: Path, home: Home, name: str) -> None:
    shutil.rmtree(tree / "qmail_smtpd")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
        with client, served:
            env = {"PATH": "/usr/bin:/bin", "QMAILHOME": os.fspath(home.path)}
            process = subprocess.Popen([tree / "bin" / name], stdin=served, stdout=served, stderr=served, env=env)
            served.close()
            client.settimeout(30)
            heard = b""
            while block := client.recv(4096):
                heard += block
            assert process.wait() == 1
    assert heard == b"421 internal error, try again later (#4.3.0)\r\n"
