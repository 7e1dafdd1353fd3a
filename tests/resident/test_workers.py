"""Workers: how many there are, when they end, and what becomes of the others when one comes to harm."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ..support.activation import Resident
from ..support.certificates import Pki, install
from ..support.home import Home
from ..support.processes import BIN, program, wait_until
from ..support.slapd import SUFFIX, generated, slapd
from ..support.smtp import Client
from .test_signals import STARTED, greeted, is_refused, members

SETTLED = 2.1  # seconds after which a file is known by its stamp (control/kept.py)
CHECKER = """
import time
from qmail_smtpd.checker import Checker, reject
kept = []
class Mine(Checker):
    def mail(self, session, event):
        kept.append(event.address)
        if event.address.startswith(b"hang@"):
            while True:
                time.sleep(1)
        if event.address.startswith(b"grow@"):
            kept.append(bytearray(b"x" * (64 << 20)))
        if event.address.startswith(b"count@"):
            return reject(f"asked {len(kept)} times")
def setup(config):
    return Mine()
"""


@pytest.fixture
def mode() -> str:
    return "100\n"


def served(resident: Resident) -> list[str]:
    """The pid of each session that the log tells of, in order."""
    return re.findall(r"qmail-smtpd (\d+)(?:\.\d+)?: connection from", resident.log)


def settled(*paths: Path) -> None:
    newest = max(path.stat().st_ctime for path in paths)
    wait_until(lambda: time.time() - newest > SETTLED, "the files have been as they are for a while")


def visit(resident: Resident) -> None:
    with greeted(resident) as client:
        client.deliver()
        client.quit()
    resident.wait_for_no_sessions()


# How many


def test_one_client_after_the_other_has_one_worker(home: Home) -> None:
    with Resident(home) as resident:
        for _ in range(20):
            visit(resident)
        assert len(set(served(resident))) <= 2  # a second one if a client came before the first was back


def test_a_worker_ends_after_its_number_of_sessions(home: Home) -> None:
    home.control("sessionsperprocess", "3\n")
    with Resident(home) as resident:
        for _ in range(12):
            visit(resident)
        pids = served(resident)
        assert len(pids) == 12 and max(pids.count(pid) for pid in pids) == 3


def test_each_session_has_an_id_of_its_own(home: Home) -> None:
    """So that the lines of a message can be found, which are those of its session and no other."""
    with Resident(home, LOGLEVEL="3") as resident:
        for _ in range(6):
            visit(resident)
        lines = [line.split(": ", 1) for line in resident.log.splitlines() if line.startswith("qmail-smtpd ")]
    sessions = {who: [text for one, text in lines if one == who] for who, text in lines if "connection from" in text}
    assert len(sessions) == 6
    for who, texts in sessions.items():
        assert texts[0].startswith("connection from"), who
        assert [text.split(": ")[0] for text in texts[-2:]] == ["message queued", "connection ended"], texts


def test_as_many_as_there_are_clients(home: Home) -> None:
    home.control("concurrencyincoming", "5\n")
    home.control("concurrencyperip", "0\n")
    with Resident(home) as resident:
        clients = [greeted(resident) for _ in range(5)]
        assert sorted(resident.sessions()) == sorted(resident.workers()) and len(resident.sessions()) == 5
        for client in clients:
            client.deliver()
            client.quit()


def test_a_network_of_ipv6_is_one_client(home: Home) -> None:
    """::1 is all that loopback has of IPv6; IPv4 is counted by itself."""
    home.control("concurrencyperip", "1\n")
    with Resident(home, "fds", ("127.0.0.1", "::1")) as resident, resident.connect(to="::1") as six:
        six.ask(None, 220)
        with resident.connect(to="::1") as another, resident.connect() as four:
            another.ask(None, 421)
            four.ask(None, 220)


# Harm


def test_one_that_hangs_is_alone(home: Home) -> None:
    (home.path / "mine.py").write_text(CHECKER)
    home.control("smtpcheckers", "mine\n")
    with Resident(home) as resident, greeted(resident) as hanging:
        hanging.say("MAIL FROM:<hang@sender.example>\r\n")
        for _ in range(3):
            with greeted(resident) as client:
                client.deliver()
                client.quit()
        assert hanging.is_silent()


def test_one_that_grows_ends(home: Home) -> None:
    (home.path / "mine.py").write_text(CHECKER)
    home.control("smtpcheckers", "mine\n")
    with Resident(home) as resident:

        def has_grown() -> bool:
            with greeted(resident) as client:
                client.deliver(sender="grow@sender.example")
                client.quit()
            return "worker ends: it has grown from " in resident.log

        visit(resident)
        wait_until(has_grown, "a worker grows in a session that is not its first")
        visit(resident)
        assert len(set(served(resident))) > 1


def test_large_messages_are_no_growth(home: Home) -> None:
    """Malloc keeps some memory for them, but not more from each to the next."""
    with Resident(home) as resident:
        for _ in range(5):
            with greeted(resident) as client:
                client.deliver(body="x" * 1_500_000)
                client.quit()
            resident.wait_for_no_sessions()
        visit(resident)
        assert "worker ends" not in resident.log


def test_killed_ones_are_replaced(home: Home) -> None:
    with Resident(home) as resident:
        for _ in range(10):
            with greeted(resident) as client:
                (pid,) = resident.sessions()
                os.kill(pid, signal.SIGKILL)
                assert client.hear() == ""
            visit(resident)
        resident.wait_for_log("was ended by signal 9", 10)


def test_idle_ones_that_are_killed_cost_nobody_anything(home: Home) -> None:
    with Resident(home) as resident:
        for _ in range(5):
            visit(resident)
            for pid in resident.workers():
                os.kill(pid, signal.SIGKILL)
        assert len(home.queued()) == 5


def test_workers_end_with_their_parent(home: Home) -> None:
    """Those that serve somebody once they have done so, but they too let go of the port at once."""
    with Resident(home) as resident:
        clients = [greeted(resident) for _ in range(2)]
        clients[0].quit()
        os.kill(resident.pid, signal.SIGKILL)
        wait_until(lambda: is_refused(resident), "nobody listens any more")
        clients[1].deliver()
        clients[1].quit()
        wait_until(lambda: not members(resident.pid), "no worker is left")


def test_idle_ones_that_are_stopped_keep_nobody_waiting(home: Home) -> None:
    with Resident(home) as resident:
        visit(resident)
        stopped = resident.workers()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        for _ in range(3):
            visit(resident)
        resident.terminate()
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        assert resident.wait() == 0


def test_one_that_has_too_little_memory_is_followed_by_another(home: Home) -> None:
    """It would have served a hundred clients with 421."""
    with Resident(home) as resident, greeted(resident) as client:
        (pid,) = resident.sessions()
        subprocess.run([program("prlimit"), "--pid", str(pid), "--as=1:"], check=True)
        client.say("NOOP " + "x" * 1_000_000 + "\r\n")
        assert client.hear().startswith("421 ")
        client.leave()
        resident.wait_for_log("worker ends: an error ended its session")
        visit(resident)
        assert served(resident).count(str(pid)) == 1


def test_one_without_a_descriptor_is_followed_by_another(home: Home) -> None:
    """It says so once, not as often as it can; the line is its own, not its parent's."""
    with Resident(home) as resident:
        visit(resident)
        wait_until(lambda: [state for _, state in resident.children()] == ["S"], "the worker waits for a client")
        (pid,) = resident.workers()
        descriptors = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        lowest = min(set(range(len(descriptors) + 1)) - descriptors)
        subprocess.run([program("prlimit"), "--pid", str(pid), f"--nofile={lowest}:"], check=True)
        visit(resident)
        wait_until(lambda: pid not in resident.workers(), "it has ended")
        assert resident.log.count("cannot accept") == 1
        assert f"qmail-smtpd {pid}: cannot accept: Too many open files" in resident.log


# What is kept, and until when


def subject(resident: Resident, pki: Pki, name: str) -> bytes:
    """The certificate that a client is shown."""
    with greeted(resident) as client:
        client.ask("STARTTLS", 220)
        client.socket = pki.trusting().wrap_socket(client.socket, server_hostname=name)
        shown = client.socket.getpeercert(binary_form=True)
        client.quit()
    assert shown
    return bytes(shown)


def test_a_new_certificate_counts_from_the_next_session(home: Home, tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    install(home, pki.server())
    path = home.path / "control" / "cert.pem"
    settled(path)
    with Resident(home) as resident:
        old = [subject(resident, pki, "mx.example.org") for _ in range(3)]
        install(home, pki.server(name="other.example.org"))
        new = [subject(resident, pki, "other.example.org") for _ in range(3)]
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pki.server().both)
        fresh.rename(path)
        again = subject(resident, pki, "mx.example.org")
        assert len(set(served(resident))) <= 2
    assert len(set(old)) == len(set(new)) == 1 and again == old[0] != new[0]


def constant_database(path: Path, domain: str) -> bytes:
    """As qmail-cdb makes one: a new file in the place of the old one; what it holds."""
    argv = [str(BIN / "qmail-cdb"), str(path), f"{path}.tmp"]
    subprocess.run(argv, input=f"{domain}\n".encode(), check=True)
    return path.read_bytes()


def opened(pid: int, path: Path) -> list[str]:
    """The descriptors of a process that are this file, as it is or as it was."""
    folder = Path(f"/proc/{pid}/fd")
    return [fd.name for fd in folder.iterdir() if os.readlink(fd).removesuffix(" (deleted)") == str(path)]


@pytest.mark.parametrize("how", ["another file in its place", "the same file, written anew"])
def test_a_constant_database_stays_open_until_its_file_changes(home: Home, how: str) -> None:
    home.control("concurrencyincoming", "1\n")  # one worker
    path = home.path / "control" / "rcpthosts.cdb"
    new = constant_database(path, "example.net")
    constant_database(path, "example.org")

    def codes(resident: Resident) -> list[str]:
        with greeted(resident) as client:
            client.ask("MAIL FROM:<s@sender.example>", 250)
            client.say("RCPT TO:<u@example.org>\r\nRCPT TO:<u@example.net>\r\n")
            replies = [client.hear()[:3], client.hear()[:3]]
            client.quit()
        resident.wait_for_no_sessions()
        return replies

    settled(path)
    with Resident(home) as resident:
        before = []
        for _ in range(3):
            assert codes(resident) == ["250", "553"]
            (worker,) = resident.workers()
            before.append(opened(worker, path))
        assert len(before[0]) == 1 and before[0] == before[1] == before[2]
        if how == "another file in its place":
            constant_database(path, "example.net")
        else:
            assert path.stat().st_size == len(new)
            path.write_bytes(new)
        assert codes(resident) == ["553", "250"]
        assert resident.workers() == [worker] and opened(worker, path) == []  # too young to be known by its stamp
        settled(path)
        assert codes(resident) == codes(resident) == ["553", "250"]
        assert resident.workers() == [worker] and len(opened(worker, path)) == 1


def test_what_a_site_keeps_lives_until_its_file_changes(home: Home) -> None:
    module = home.path / "mine.py"
    module.write_text(CHECKER)
    home.control("smtpcheckers", "mine\n")
    settled(module)
    with Resident(home) as resident:

        def count() -> str:
            with greeted(resident) as client:
                reply = client.ask("MAIL FROM:<count@sender.example>", 553)
                client.quit()
            resident.wait_for_no_sessions()
            return reply

        assert "asked 1 times" in count()
        module.write_text(CHECKER.replace("asked", "ASKED"))
        assert "ASKED 1 times" in count()


def test_the_connection_to_the_directory_is_kept(home: Home) -> None:
    """Until the server closes it, which is no error, or a control file says something else."""
    home.link("qmail-verify")
    home.control("rcpthosts", "local.example.org\n")
    known, unknown = "person1@local.example.org", "nobody@local.example.org"

    def asks(resident: Resident, address: str, code: int) -> None:
        with greeted(resident) as client:
            client.ask("MAIL FROM:<s@sender.example>", 250)
            client.ask(f"RCPT TO:<{address}>", code)
            if code == 250:
                client.ask("DATA", 354)
                client.ask("x: y\r\n\r\n.", 250)
            client.quit()
        resident.wait_for_no_sessions()

    with slapd(generated(3)) as directory:
        home.control("ldapserver", directory.host_port + "\n")
        home.control("ldapbasedn", SUFFIX + "\n")
        settled(*(home.path / "control").iterdir())
        with Resident(home, RCPTCHECK="") as resident:
            with directory.running():
                for _ in range(10):
                    asks(resident, known, 250)
                    asks(resident, unknown, 554)
                workers = len(set(served(resident)))
                assert directory.connections() <= workers <= 2
            with directory.running():
                asks(resident, known, 250)
                asks(resident, unknown, 554)
                assert "error" not in resident.log
                home.control("ldapbasedn", "ou=nowhere," + SUFFIX + "\n")
                asks(resident, known, 451)  # there is no such place


def test_a_handover_counts_and_ends_the_old_ones(home: Home) -> None:
    """Idle workers of the start before go at once, the others after their session; nobody of them accepts."""
    with Resident(home) as resident:
        busy, idle = greeted(resident), greeted(resident)
        idle.quit()
        resident.wait_for_sessions(1)
        before = set(resident.workers())
        resident.hang_up()
        resident.wait_for_log(STARTED, 2)
        (serving,) = resident.sessions()
        wait_until(lambda: before & set(resident.workers()) == {serving}, "the idle one has gone")
        visitors: list[Client] = [greeted(resident) for _ in range(3)]
        assert not before & (set(resident.sessions()) - {serving})
        for client in (busy, *visitors):
            client.deliver()
            client.quit()
        wait_until(lambda: not before & set(resident.workers()), "the other one has gone too")
