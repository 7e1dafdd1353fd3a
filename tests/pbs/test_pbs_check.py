"""pbscheck against servers that lie or keep silent, with wrong controls, and the program it starts."""

from __future__ import annotations

import hmac
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from ..support.processes import BIN, ROOT
from .site import CLIENT_BYTES, NO, YES, FakeServer, Site


def test_silent_servers_are_asked_in_order(tmp_path: Path) -> None:
    site = Site(tmp_path, "127.0.0.2", "127.0.0.3")
    asked: list[str] = []

    class Silent(FakeServer):
        def _serve(self) -> None:
            while self.wire.recvfrom(2000)[0]:
                asked.append(self.wire.getsockname()[0])

    with Silent(site.port, address="127.0.0.2"), Silent(site.port, address="127.0.0.3"):
        done = site.run("pbscheck", "sh", "-c", "echo ${RELAYCLIENT-no}")
    assert (done.returncode, done.stdout) == (0, b"no\n")
    assert b"no response from any server" in done.stderr
    assert len(asked) == 3 and asked[1:] == ["127.0.0.2", "127.0.0.3"]


def test_nopbs_asks_nobody(tmp_path: Path) -> None:
    site = Site(tmp_path / "wrong", pbsservers="nonsense\n")
    assert not site.may_relay(NOPBS="", TCPREMOTEIP=None)
    site = Site(tmp_path / "right")
    with FakeServer(site.port, YES) as server:
        assert not site.may_relay(NOPBS="")
        assert server.asked == []


def test_mapped_clients_are_asked_as_ipv4_and_others_not_at_all(tmp_path: Path) -> None:
    site = Site(tmp_path).without_secret()
    mapped = "::ffff:" + ".".join(map(str, CLIENT_BYTES))
    with FakeServer(site.port, YES) as server:
        for address in ("2001:db8::1", "fe80::1%lo"):
            assert not site.may_relay(TCPREMOTEIP=address)
        assert server.asked == []
        assert site.may_relay(TCPREMOTEIP=mapped)
        assert server.asked == [b"Q\x04" + CLIENT_BYTES + b"\0"]


@pytest.mark.parametrize(
    "answer",
    [
        NO,
        b"",
        b"R",
        YES[:6],
        b"Q" + YES[1:],
        b"R\x04\x7f\x00\x00\x02R\x00",
        b"R\x10" + CLIENT_BYTES + b"R\x00",
        NO + b"\x01\x04FOO=",
    ],
)
def test_answers_that_do_not_allow_relaying(tmp_path: Path, answer: bytes) -> None:
    site = Site(tmp_path).without_secret()
    # The question has ended: what comes later is not heard.
    with FakeServer(site.port, answer, YES) as server:
        env = site.check()
        assert "RELAYCLIENT" not in env and "FOO" not in env
        assert set(server.asked) == {b"Q\x04" + CLIENT_BYTES + b"\0"}


@pytest.mark.parametrize("list_", [b"", b"\x01", b"\x02\x05FOO=1", b"\x01\x20FOO=1", b"\x01\x03FOO"])
def test_a_broken_list_sets_nothing_else(tmp_path: Path, list_: bytes) -> None:
    site = Site(tmp_path).without_secret()
    with FakeServer(site.port, YES[:-1] + list_):
        env = site.check()
    assert env["RELAYCLIENT"] == "" and "FOO" not in env


def test_variables_are_renamed_and_prefixed(tmp_path: Path) -> None:
    lines = "# comment\nUSER\nUSER=TCPREMOTEINFO=[pbs]\nUSER=SECOND\nFOO=BAR\nSAME\nUSE=WRONG\nNEW==pre\nODD\n"
    site = Site(tmp_path, pbsenv=lines).without_secret()
    entries = [b"USER=joe", b"FOO=a=b", b"SAME=1", b"OTHER=2", b"NEW=", b"ODD=\xff"]
    packed = bytes([len(entries)]) + b"".join(bytes([len(entry)]) + entry for entry in entries)
    with FakeServer(site.port, YES[:-1] + packed):
        env = site.check(USER="before")
    assert env["TCPREMOTEINFO"] == "[pbs]joe" and env["BAR"] == "a=b" and env["NEW"] == "pre"
    assert env["SAME"] == "1" and env["ODD"] == "\udcff"
    assert env["USER"] == "before" and not {"SECOND", "FOO", "WRONG", "OTHER"} & set(env), "only what a line names"


def test_forged_replies_from_elsewhere_are_not_heard(tmp_path: Path) -> None:
    site = Site(tmp_path).without_secret()
    with FakeServer(site.port, NO, first=YES):
        assert not site.may_relay()
    with FakeServer(site.port, YES, first=NO):
        assert site.may_relay()


@pytest.mark.parametrize(
    "control",
    [
        {"pbsservers": ""},
        {"pbsservers": "# none\n"},
        {"pbsservers": "localhost\n"},
        {"pbsservers": "127.0.0.1\n::1\n"},
        {"pbsport": "0\n"},
        {"pbsport": "65536\n"},
        {"pbsenv": "A\n" * 256},
    ],
)
def test_controls_that_cannot_be_used(tmp_path: Path, control: dict[str, str]) -> None:
    site = Site(tmp_path, **control)
    refused(site, "pbscheck", "echo", "220")
    assert site.run("pbsadd", "echo", "+OK").returncode == 1
    assert site.run("pbsadd", "echo", "+OK").stdout == b""


def refused(site: Site, program: str, *argv: str, **env: str | None) -> None:
    done = site.run(program, *argv, **env)
    assert done.returncode == 1
    assert done.stdout.startswith(b"554 ") and done.stdout.endswith(b" (#5.3.5)\r\n")
    assert done.stdout.count(b"\n") == 1
    assert done.stderr.startswith(b"pbscheck ")


def test_pbsadd_starts_its_program_for_ipv6_clients_too(tmp_path: Path) -> None:
    """There is no word for them in the protocol, so nothing is announced."""
    site = Site(tmp_path)
    with FakeServer(site.port) as server:
        done = site.run("pbsadd", "echo", "+OK", TCPREMOTEIP="2001:db8::1")
        assert (done.returncode, done.stdout) == (0, b"+OK\n")
        assert b"not announced" in done.stderr
        assert server.asked == []


def test_what_the_client_is_told(tmp_path: Path) -> None:
    site = Site(tmp_path)
    refused(site, "pbscheck")
    refused(site, "pbscheck", NOPBS="")
    for address in (None, "", "unknown", "::x", "192.0.2.1 ", "192.0.2.256", "192.0.2"):
        refused(site, "pbscheck", "echo", "220", TCPREMOTEIP=address)
    with FakeServer(site.port, NO):
        refused(site, "pbscheck", "no-such-program")
        refused(site, "pbscheck", "/no/such/program")
        refused(site, "pbscheck", str(tmp_path))
    for name in ("pbsservers", "pbsenv", "pbsport"):
        path = site.home.path / "control" / name
        path.unlink(missing_ok=True)
        path.mkdir()
        refused(site, "pbscheck", "echo", "220")
        path.rmdir()
    refused(site, "pbscheck", "echo", "220", QMAILHOME=str(tmp_path / "nowhere"))


def test_program_is_started_as_a_shell_would(tmp_path: Path) -> None:
    site = Site(tmp_path)
    script = site.home.program("without-first-line", 'echo "$0 $1"; grep SigIgn /proc/$$/status\n')
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "without-first-line").write_text("not executable")
    path = f"{tmp_path}/missing:{script}:{shadow}:{script.parent}:/usr/bin"
    done = site.run("pbscheck", "without-first-line", "argument", NOPBS="", PATH=path)
    *words, ignored = done.stdout.split()
    assert words == [str(script).encode(), b"argument", b"SigIgn:"]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # what Python ignores; others may come from whoever runs the tests
        assert not int(ignored, 16) & 1 << (number - 1)
    refusal = site.run("pbscheck", "without-first-line", NOPBS="", PATH=f"{shadow}:/usr/bin")
    assert b"Permission denied" in refusal.stderr


def test_no_log_line_reaches_the_client(tmp_path: Path) -> None:
    """Under inetd fd 2 is the client's socket."""
    site = Site(tmp_path)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        argv, fd = [str(BIN / "pbscheck")], theirs.fileno()
        subprocess.run(argv, env=site.env(), stdin=fd, stdout=fd, stderr=fd, timeout=60, check=False)
        theirs.shutdown(socket.SHUT_WR)
        assert ours.makefile("rb").read() == b"554 no program to start (#5.3.5)\r\n"


def test_start_up_is_cheap() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import qmail_smtpd.pbs.check; print(*sys.modules)"
    loaded = subprocess.run(["/usr/bin/python3", "-IS", "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "os",
        "socket",
        "re",
        "enum",
        "signal",
        "random",
        "argparse",
        "typing",
        "dataclasses",
        "subprocess",
    }
    assert not heavy & set(loaded.stdout.split())


# With the secret


def signed(site_answer: bytes, asked: bytes, secret: bytes = b"sesame") -> bytes:
    nonce = asked[7:23]
    return site_answer + hmac.digest(secret, nonce + site_answer, "sha256")


class Signing(FakeServer):
    """Answers what `self.make` makes of a question."""

    make = staticmethod(lambda asked: signed(YES, asked))

    def _serve(self) -> None:
        while (received := self.wire.recvfrom(2000))[0]:
            self.asked.append(received[0])
            self.wire.sendto(self.make(received[0]), received[1])


def test_an_answer_with_the_right_mac(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with Signing(site.port) as server:
        assert site.may_relay() and site.may_relay()
    assert all(asked.startswith(b"Q\x04" + CLIENT_BYTES + b"\x10") for asked in server.asked)
    assert len({asked[7:23] for asked in server.asked}) == 2, "a nonce is used once"
    assert {len(asked) for asked in server.asked} == {352}, "a third of the longest answer"


FORGED = {
    "none": lambda asked: YES,
    "another secret": lambda asked: signed(YES, asked, b"open"),
    "another nonce": lambda asked: signed(YES, bytes(40)),
    "another answer": lambda asked: YES + signed(NO, asked)[-32:],
    "half": lambda asked: signed(YES, asked)[:-1],
    "nothing": lambda asked: b"?",
}


@pytest.mark.parametrize("how", FORGED)
def test_an_answer_with_another_is_none(tmp_path: Path, how: str) -> None:
    site = Site(tmp_path)
    with Signing(site.port) as server:
        server.make = staticmethod(FORGED[how])
        done = site.run("pbscheck", "sh", "-c", "echo ${RELAYCLIENT-no}")
    assert done.stdout == b"no\n" and b"no response from any server" in done.stderr


def test_a_secret_that_cannot_be_used_is_as_none(tmp_path: Path) -> None:
    site = Site(tmp_path, pbssecret="x" * 256 + "\n")
    with FakeServer(site.port, YES):
        done = site.run("pbscheck", "sh", "-c", "echo ${RELAYCLIENT-no}")
    assert done.stdout == b"\n" and b"answers are not authenticated: " in done.stderr
