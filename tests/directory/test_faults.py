"""Both programs when the directory does not work (SPEC section 13): answered Z, logged, and tried again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from qmail_smtpd.control.files import ControlFiles
from qmail_smtpd.directory import client
from qmail_smtpd.directory.client import Directory
from qmail_smtpd.directory.program import MaskLog
from qmail_smtpd.directory.settings import Settings

from ..support.home import Home
from ..support.processes import free_port, stop, wait_until
from ..support.slapd import READER, READER_PASSWORD, SUFFIX, Slapd, generated, slapd
from .conftest import MakeHome
from .programs import Verifier, login, run, together, verify

NOT_NOW = b"Zthe directory is not available (#4.3.0)"
TEMPORARY = b"exit 111"
AT = "@local.example.org"


class Silent:
    """A server that accepts and never says a useful word: `drip` is sent one byte at a time, for ever."""

    def __init__(self, drip: bytes = b"") -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted: list[socket.socket] = []
        self._drip = drip
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted.append(connection)
            if self._drip:
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            for byte in self._drip:
                connection.sendall(bytes([byte]))
                time.sleep(0.2)  # the server's slowness, not a wait of the test
        except OSError:
            pass

    def close(self) -> None:
        self.listener.close()
        for connection in self.accepted:
            connection.close()


@contextmanager
def silent(drip: bytes = b"") -> Iterator[Silent]:
    server = Silent(drip)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose kernel queue is full: the connection is never established."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        try:
            yield port
        finally:
            for filler in fillers:
                filler.close()


def first_error(home: Home) -> str:
    lines = (home.path / "qmail-verify.log").read_text().splitlines()
    return next(line.partition(": ")[2] for line in lines if "error" in line)


def test_no_such_host(make_home: MakeHome) -> None:
    """libldap's own words are `Bad file descriptor`."""
    home = make_home(ldapserver="no-such-host.invalid")
    assert verify(home, "person0" + AT) == [NOT_NOW]
    assert first_error(home).endswith(": connect: Can't contact LDAP server: is the name of the host right?")


def test_no_server(make_home: MakeHome) -> None:
    host = f"127.0.0.1:{free_port()}"
    home = make_home(ldapserver=host)
    assert verify(home, "person0" + AT, "person1" + AT, "x") == [
        NOT_NOW,
        NOT_NOW,
        b"Dthe address is not complete (#5.1.3)",
    ]
    assert first_error(home) == f"error: ldap://{host}: connect: Can't contact LDAP server: connection refused"
    assert login(home, "person0", "secret-0") == TEMPORARY


def test_it_starts_before_its_server(own_server: Slapd, make_home: MakeHome) -> None:
    with Verifier(make_home(ldapserver=own_server.host_port)) as verifier:
        assert verifier.ask("person0" + AT) == NOT_NOW
        with own_server.running():
            assert verifier.ask("person0" + AT) == b"K"
            assert verifier.close() == 0


def test_its_server_is_killed_and_comes_back(own_server: Slapd, make_home: MakeHome) -> None:
    with Verifier(make_home(ldapserver=own_server.host_port)) as verifier:
        with own_server.running() as process:
            assert verifier.ask("person0" + AT) == b"K"
            stop(process)
        assert verifier.ask("person1" + AT) == NOT_NOW
        assert own_server.host_port in verifier.log
        with own_server.running():
            assert verifier.ask("nobody" + AT) == b"Dno mailbox by that name here (#5.1.1)"
            assert verifier.ask("person2" + AT) == b"K"


def test_a_restart_of_the_server_between_addresses_is_not_noticed(own_server: Slapd, make_home: MakeHome) -> None:
    with Verifier(make_home(ldapserver=own_server.host_port)) as verifier:
        for number in range(3):
            with own_server.running():
                assert verifier.ask(f"person{number}{AT}") == b"K"
        assert verifier.close() == 0
    assert "error" not in verifier.log


def test_a_connection_that_the_server_finds_idle_is_opened_again(make_home: MakeHome) -> None:
    # idletimeout is whole seconds; the server closes, and we wait for its own word that it did.
    with slapd(generated(3), extra="") as server:
        conf = server.folder / "slapd.conf"
        conf.write_text(conf.read_text().replace("threads 4", "threads 4\nidletimeout 1"))
        with server.running(), Verifier(make_home(ldapserver=server.host_port)) as verifier:
            assert verifier.ask("person0" + AT) == b"K"
            wait_until(lambda: server.closed() == 1, "slapd closes the idle connection")
            assert verifier.ask("person1" + AT) == b"K"
            assert verifier.close() == 0
        assert "error" not in verifier.log


NOTHING = b""
TLS_RECORD = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xf0" + bytes(500)
LDAP_MESSAGE = b"\x30\x84\x00\x00\x40\x00" + bytes(500)


@pytest.mark.parametrize("drip", [NOTHING, TLS_RECORD, LDAP_MESSAGE], ids=["nothing", "tls", "ldap"])
def test_a_server_that_hangs_is_cut(make_home: MakeHome, drip: bytes) -> None:
    def one(number: int, scheme: str) -> bytes:
        with silent(drip) as hanging:
            host = f"{scheme}127.0.0.1:{hanging.port}"
            home = make_home(f"home{number}", ldapserver=host, ldaptimeout="1")
            (answer,) = verify(home, "person0" + AT)
            assert f"error: {'' if scheme else 'ldap://'}{host}: " in (home.path / "qmail-verify.log").read_text()
            assert hanging.accepted
        return answer

    assert together(one, range(3), ["", "ldap://", "ldaps://"]) == [NOT_NOW] * 3


@pytest.mark.parametrize("name", ["qmail-verify", "auth_smtp"])
def test_a_hanging_start_tls_is_cut(make_home: MakeHome, name: str) -> None:
    with silent() as hanging:
        home = make_home(ldapserver=f"127.0.0.1:{hanging.port}", ldaptimeout="1", ldapstarttls="1")
        assert ask(home, name) in (NOT_NOW, TEMPORARY)
        assert "StartTLS: " in (home.path / f"{name}.log").read_text()


class HalfTls(Silent):
    """Agrees to StartTLS and then leaves the handshake alone."""

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        self.accepted.append(connection)
        request = connection.recv(4096)
        number = request[4]  # SEQUENCE, length, INTEGER, 1, message number
        connection.sendall(bytes([0x30, 12, 2, 1, number, 0x78, 7, 10, 1, 0, 4, 0, 4, 0]))


def test_a_hanging_handshake_after_start_tls_is_cut(make_home: MakeHome) -> None:
    hanging = HalfTls()
    home = make_home(ldapserver=f"127.0.0.1:{hanging.port}", ldaptimeout="1", ldapstarttls="1")
    assert verify(home, "person0" + AT) == [NOT_NOW]
    assert "StartTLS: timed out" in (home.path / "qmail-verify.log").read_text()
    hanging.close()


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_connection_that_is_never_made_is_cut(make_home: MakeHome, scheme: str) -> None:
    with full_backlog() as port:
        home = make_home(ldapserver=f"{scheme}://127.0.0.1:{port}", ldaptimeout="1")
        assert verify(home, "person0" + AT) == [NOT_NOW]


def test_a_server_that_is_stopped_in_the_middle_is_cut(own_server: Slapd, make_home: MakeHome) -> None:
    import os
    import signal

    home = make_home(ldapserver=own_server.host_port, ldaptimeout="1")
    with own_server.running() as process, Verifier(home) as verifier:
        assert verifier.ask("person0" + AT) == b"K"
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: _state(process.pid) == "T", "slapd is stopped")
        assert verifier.ask("person1" + AT) == NOT_NOW
        os.kill(process.pid, signal.SIGCONT)
        wait_until(lambda: verifier.ask("person1" + AT) == b"K", "it answers again, however slow the machine is")
    assert "search: " in verifier.log


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("first", ["down", "hanging", "wrong", "refusing"])
def test_the_second_server_takes_over(make_home: MakeHome, server: Slapd, people: str, first: str) -> None:
    with silent() as hanging, slapd(generated(1), extra="restrict bind search") as refusing, refusing.running():
        uris = {
            "down": f"127.0.0.1:{free_port()}",
            "hanging": f"127.0.0.1:{hanging.port}",
            "wrong": "http://127.0.0.1/",
            "refusing": refusing.host_port,
        }
        home = make_home(ldapserver=f"{uris[first]}\n{server.host_port}", ldaptimeout="1")
        assert verify(home, "person0" + AT, "person1" + AT) == [b"K", b"K"]
        log = (home.path / "qmail-verify.log").read_text()
        assert log.count(f"{uris[first]}: ") == 1
        assert verify(make_home("both", ldapserver=f"{server.host_port} {uris[first]}"), "person0" + AT) == [b"K"]


def test_the_servers_are_tried_in_order(make_home: MakeHome) -> None:
    hosts = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    home = make_home(ldapserver=f"{hosts[0]} {hosts[1]}\n{hosts[2]}")
    assert verify(home, "person0" + AT, "person1" + AT) == [NOT_NOW, NOT_NOW]
    lines = (home.path / "qmail-verify.log").read_text().splitlines()
    tried = [line.split("ldap://")[1].split(": ")[0] for line in lines if ": error: " in line]
    assert tried == hosts * 2


def test_it_moves_on_when_the_first_server_dies(own_server: Slapd, server: Slapd, make_home: MakeHome) -> None:
    home = make_home(ldapserver=f"{own_server.host_port}\n{server.host_port}")
    with Verifier(home) as verifier:
        with own_server.running():
            assert verifier.ask("person0" + AT) == b"K"
        assert verifier.ask("person1999" + AT) == b"K"
        assert verifier.close() == 0


def ask(home, name: str) -> bytes:  # type: ignore[no-untyped-def]
    """One question to either program, which should be able to answer it."""
    return verify(home, "person0" + AT)[0] if name == "qmail-verify" else login(home, "person0", "secret-0")


FAILS = {"qmail-verify": NOT_NOW, "auth_smtp": TEMPORARY}
READ = {"ldaplogin": READER, "ldappassword": READER_PASSWORD}


@pytest.mark.parametrize("name", FAILS)
@pytest.mark.parametrize(
    ("control", "cause"),
    [
        ({"ldappassword": "wrong"}, "bind: Invalid credentials"),
        ({"ldaplogin": "cn=nobody,dc=example,dc=org"}, "bind: Invalid credentials"),
        ({"ldaplogin": "nonsense"}, "bind: Invalid DN syntax"),
        ({"ldapbasedn": "ou=elsewhere,dc=example,dc=org"}, "search: No such object"),
        ({"ldapbasedn": "dc=other"}, "search: No such object"),
        ({"ldapbasedn": None}, "search: No such object"),
        ({"ldapbasedn": "nonsense"}, "search: Invalid DN syntax"),
        ({"ldapobjectclass": "(unfinished"}, "search: Bad search filter"),
    ],
)
def test_what_is_wrongly_configured(make_home: MakeHome, name: str, control: dict[str, str | None], cause: str) -> None:
    home = make_home(**{**READ, **control})
    assert ask(home, name) == FAILS[name]
    assert cause in (home.path / f"{name}.log").read_text()


def test_a_size_limit_of_the_server(make_home: MakeHome) -> None:
    people = generated(1) + f"\ndn: cn=t,{SUFFIX}\nobjectClass: qmailUser\ncn: t\nmail: person0{AT}\n"
    with slapd(people, extra="sizelimit 1") as server, server.running():
        home = make_home(ldapserver=server.host_port)
        assert verify(home, "person0" + AT, "alias.person0" + AT) == [
            b"Zthe directory is not clear about this address (#4.3.0)",
            b"K",
        ]


def test_a_fault_is_logged_at_level_one_only(make_home: MakeHome) -> None:
    home = make_home(ldapserver=f"127.0.0.1:{free_port()}")
    assert run("qmail-verify", home, b"a@b\0", LOGLEVEL="0").stderr == b""
    assert run("qmail-verify", home, b"a@b\0", LOGLEVEL="254").stderr.count(b"error: ") == 0
    assert run("qmail-verify", home, b"a@b\0", LOGLEVEL="1").stderr.count(b"error: ") == 1


def test_the_last_server_has_its_chance(make_home: MakeHome, server: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long ldaptimeout is: the time of one question is shared among the servers."""
    monkeypatch.setattr(client, "BUDGET", 4.0)
    with silent() as one, silent() as two:
        hanging = f"127.0.0.1:{one.port} 127.0.0.1:{two.port}"
        home = make_home(ldapserver=f"{hanging}\n{server.host_port}", ldaptimeout="30")
        directory = Directory(Settings(ControlFiles(bytes(home.path / "control"))), MaskLog(b"test", 1))
        for _ in range(2):
            directory.begin()
            assert directory.search(f"(mail=person0{AT})", ["uid"])
        directory.close()
        assert len(one.accepted) == len(two.accepted) == 1


REFERRAL = f"""
dn: ou=branch,{SUFFIX}
objectClass: referral
objectClass: extensibleObject
ou: branch
ref: ldap://127.0.0.1:1/ou=branch,{SUFFIX}
"""


def test_an_address_that_another_server_may_have(make_home: MakeHome) -> None:
    """A referral is no "unknown"; but what this server has counts, also the catch-all."""
    with slapd(generated(1) + REFERRAL) as server, server.running():
        home = make_home(ldapserver=server.host_port, ldapcache="60")
        for _ in range(2):
            assert verify(home, "person0" + AT, "elsewhere" + AT) == [b"K", NOT_NOW]
        assert "search: only a referral, to ldap://127.0.0.1:1/" in (home.path / "qmail-verify.log").read_text()
        assert login(home, "nobody", "wrong") == b"D"
    catchall = f"\ndn: uid=all,{SUFFIX}\nobjectClass: qmailUser\nobjectClass: account\nuid: all\nmail: catchall{AT}\n"
    with slapd(generated(1) + REFERRAL + catchall) as server, server.running():
        home = make_home("all", ldapserver=server.host_port)
        assert verify(home, "elsewhere" + AT) == [b"K"]


def test_referrals_are_followed_where_they_are_wanted(make_home: MakeHome) -> None:
    """control/ldapreferrals, as the original; the other server has the last word on what it has."""
    person = f"uid=far,{SUFFIX}\nobjectClass: qmailUser\nobjectClass: account\nuid: far\nmail: elsewhere{AT}\n"
    with slapd(f"{generated(0)}\ndn: {person}") as other, other.running():
        referral = REFERRAL.replace(f"ldap://127.0.0.1:1/ou=branch,{SUFFIX}", f"{other.uri}{SUFFIX}")
        with slapd(generated(1) + referral) as server, server.running():
            for value, answers in (("1", [b"K", b"K"]), ("0", [b"K", NOT_NOW]), (None, [b"K", NOT_NOW])):
                home = make_home(f"home{value}", ldapserver=server.host_port, ldapreferrals=value)
                assert verify(home, "person0" + AT, "elsewhere" + AT) == answers


class Endless(Silent):
    """Lets us in (request 1), and answers a search (request 2) with entries until the connection is closed."""

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        self.accepted.append(connection)
        connection.recv(4096)
        connection.sendall(b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00")
        connection.recv(4096)
        with suppress(OSError):
            while True:
                connection.sendall(b"\x30\x0c\x02\x01\x02\x64\x07\x04\x03a=b\x30\x00" * 100)


def test_a_server_that_ignores_the_limit_of_entries(make_home: MakeHome) -> None:
    """What it sends must not fill the memory until the timeout."""
    server = Endless()
    home = make_home(ldapserver=f"127.0.0.1:{server.port}", ldaptimeout="3600")
    assert verify(home, "person0" + AT) == [NOT_NOW]
    assert first_error(home).endswith("search: an answer of more than 1000 entries and referrals")
    server.close()


class ClosesAtSecondBind(Silent):
    """Lets us in, has one entry for every search, and closes when the user is to bind."""

    def _serve(self) -> None:
        dn = b"uid=person7,ou=people"
        entry = b"\x64" + bytes([4 + len(dn), 4, len(dn)]) + dn + b"\x30\x00"
        done = b"\x07\x0a\x01\x00\x04\x00\x04\x00"
        connection, _ = self.listener.accept()
        self.accepted.append(connection)
        for answers in ([b"\x61" + done], [entry, b"\x65" + done]):
            number = connection.recv(4096)[4]
            for answer in answers:
                connection.sendall(bytes([0x30, 3 + len(answer), 2, 1, number]) + answer)
        connection.recv(4096)
        connection.close()
        self.listener.close()


def test_the_second_server_takes_over_for_the_bind(make_home: MakeHome, server: Slapd) -> None:
    first = ClosesAtSecondBind()
    home = make_home(ldapserver=f"127.0.0.1:{first.port} {server.host_port}", ldaprebind="1")
    assert login(home, "person7", "wrong") == b"D"
    assert f"127.0.0.1:{first.port}: bind: " in (home.path / "auth_smtp.log").read_text()
