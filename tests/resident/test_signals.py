"""The resident mode: SIGTERM lets sessions finish, SIGHUP starts afresh and loses no connection."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..support.activation import Resident
from ..support.home import Home
from ..support.processes import BIN, DEADLINE, ROOT, program, wait_until
from ..support.smtp import Client

AFRESH = "SIGHUP: starting afresh"
KEPT = "SIGHUP: the new start fails, going on with the old one"
STARTED = ": resident, at most"
HOWS = pytest.mark.parametrize("how", ["stdin", "fds", "both"])  # under inetd the log is syslog's


def members(leader: int) -> list[int]:
    """The living processes of a session (in the sense of setsid)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            found.append(int(folder.name))
    return found


def greeted(resident: Resident) -> Client:
    client = resident.connect()
    client.ask(None, 220)
    return client


def is_refused(resident: Resident) -> bool:
    try:
        resident.connect().socket.close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was in the queue of a socket that was closed
        return False
    return False


# SIGTERM


@pytest.mark.parametrize("how", ["stdin", "inetd", "fds", "both"])
def test_sigterm(home: Home, how: str) -> None:
    """No new session; one in the middle of its message gets its 250; then everything ends well."""
    with Resident(home, how) as resident, greeted(resident) as writing, greeted(resident) as idle:
        writing.ask("MAIL FROM:<s@sender.example>", 250)
        writing.ask("RCPT TO:<u@example.org>", 250)
        writing.ask("DATA", 354)
        writing.say("Subject: x\r\n\r\nhalf")
        resident.terminate()
        wait_until(lambda: is_refused(resident), "nobody listens any more")
        assert resident.process.poll() is None
        assert writing.ask("\r\n.", 250).startswith("250 ok ")
        writing.quit()
        idle.deliver()
        resident.terminate()  # once more does no harm
        idle.quit()
        assert resident.wait() == 0
        wait_until(lambda: not members(resident.pid), "nothing is left")
    assert len(home.queued()) == 2


def test_sigterm_ends_the_trial_of_a_new_start(home: Home) -> None:
    """Whatever state the new start is in."""
    for _ in range(3):
        with Resident(home) as resident, greeted(resident) as client:
            resident.hang_up()
            resident.terminate()
            client.quit()
            assert resident.wait() == 0
            wait_until(lambda pid=resident.pid: not members(pid), "nothing is left")  # type: ignore[misc]


@pytest.fixture
def stalled(home: Home) -> Iterator[int]:
    """A log that takes no more once it is full, to be read by the test: its descriptor."""
    os.mkfifo(home.path / "resident.log")
    log = os.open(home.path / "resident.log", os.O_RDWR | os.O_NONBLOCK)
    yield log
    os.close(log)


def read_until(log: int, text: bytes) -> bytes:
    said = b""
    while text not in said:
        assert select.select([log], [], [], DEADLINE)[0], said
        said += os.read(log, 65536)
    return said


def fill(log: int) -> None:
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(log, b"x" * size)


def test_signals_are_obeyed_while_nobody_reads_the_log(home: Home, stalled: int) -> None:
    """SIGHUP and SIGTERM, and the refusal of a client in between; then what could not be written is told."""
    home.control("concurrencyperip", "1\n")
    with Resident(home, LOGLEVEL="3") as resident:
        resident.log_path.unlink()
        read_until(stalled, STARTED.encode())
        fill(stalled)
        with greeted(resident) as client:
            resident.hang_up()
            for _ in range(20):
                with resident.connect() as refused:
                    refused.ask(None, 421)
            client.deliver()
            resident.terminate()
            wait_until(lambda: is_refused(resident), "nobody listens any more")
            read_until(stalled, b"x")
            os.set_blocking(stalled, False)
            client.quit()
            assert resident.wait() == 0
        assert b" log lines could not be written\n" in read_until(stalled, b"could not be written\n")
    assert len(home.queued()) == 1


# SIGHUP


@HOWS
def test_sighup(home: Home, how: str) -> None:
    """New numbers; the same process; sessions of before go on, count, and are reaped."""
    home.control("concurrencyincoming", "1\n")
    home.control("concurrencyperip", "0\n")
    with Resident(home, how) as resident, greeted(resident) as old, resident.connect() as waiting:
        for times in (1, 2):  # what was handed over once has to be handed over twice
            home.control("concurrencyincoming", "2\n" if times == 1 else "3\n")
            resident.hang_up()
            resident.wait_for_log(AFRESH, times)
            if times == 1:
                waiting.ask(None, 220)
            with resident.connect() as third, resident.connect() as fourth:
                if times == 1:
                    waiting.ask("NOOP", 250)
                    assert third.is_silent() and len(resident.sessions()) == 2
                    continue
                third.ask(None, 220)
                assert fourth.is_silent()
                old.deliver()
                old.quit()  # a child from two starts ago makes room
                fourth.ask(None, 220)
        waiting.quit()
        resident.wait_for_no_sessions()
        assert resident.process.poll() is None and KEPT not in resident.log
        resident.terminate()
        assert resident.wait() == 0


def test_sighup_counts_addresses(home: Home) -> None:
    home.control("concurrencyperip", "1\n")
    with Resident(home) as resident, greeted(resident) as old:
        (pid,) = resident.sessions()
        resident.hang_up()
        resident.wait_for_log(STARTED, 2)
        with resident.connect() as second:
            second.ask(None, 421)
        old.quit()
        wait_until(lambda: pid not in dict(resident.children()), "the session of the start before has been reaped")
        greeted(resident).quit()


def test_sighup_finds_ended_sessions(home: Home) -> None:
    """Sessions that end while nobody can wait for them are found; without that the only place would stay taken."""
    home.control("concurrencyincoming", "1\n")
    with Resident(home) as resident:
        for times in range(1, 6):
            client = greeted(resident)
            resident.hang_up()
            resident.wait_for_log(AFRESH, times)  # from now on, until it is up
            client.socket.close()
            resident.wait_for_log(STARTED, times + 1)
        greeted(resident).quit()


def test_sighup_under_inetd(home: Home, tmp_path: Path) -> None:
    """fd 2 is the socket, so the log is syslog's, also after a second start; the numbers show that it has happened."""
    home.control("concurrencyincoming", "1\n")
    home.control("concurrencyperip", "0\n")
    trace = tmp_path / "trace"
    argv = [program("strace"), "-D", "-qq", "-e", "trace=connect,execve", "-o", str(trace), str(BIN / "qmail-smtpd")]
    with Resident(home, "inetd", argv=argv) as resident:
        clients = [greeted(resident)]
        for number in (2, 3):
            home.control("concurrencyincoming", f"{number}\n")
            clients.append(resident.connect())
            resident.hang_up()
            clients[-1].ask(None, 220)
            assert Path(f"/proc/{resident.pid}/fd/2").readlink() == Path("/dev/null")
    assert resident.log == ""
    starts = trace.read_text().split("execve(")[1:]
    assert len(starts) == 3 and all('"/dev/log"' in calls for calls in starts)


def test_relative_paths(home: Home) -> None:
    """The program and its home, as seen from where it was started: also by its children and by SIGHUP."""
    place = home.path.parent
    (place / "smtpd").symlink_to(ROOT)
    with Resident(home, argv=["smtpd/bin/qmail-smtpd"], cwd=place, QMAILHOME=home.path.name) as resident:
        greeted(resident).quit()
        resident.hang_up()
        resident.wait_for_log(STARTED, 2)
        greeted(resident).quit()


@contextmanager
def busy(resident: Resident, threads: int = 3) -> Iterator[list[str]]:
    """Clients that connect all the time; what went wrong for them. Each has been served once before and once after."""
    trouble: list[str] = []
    served = [0] * threads
    stop = threading.Event()

    def visit(number: int) -> None:
        while not stop.is_set():
            try:
                greeted(resident).quit()
                served[number] += 1
            except (OSError, AssertionError) as error:
                trouble.append(repr(error))
                return

    def all_served(times: list[int]) -> Callable[[], bool]:
        return lambda: bool(trouble) or all(now > before for now, before in zip(served, times, strict=True))

    workers = [threading.Thread(target=visit, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    try:
        wait_until(all_served([0] * threads), "each was served once")
        yield trouble
        wait_until(all_served(list(served)), "each was served since")
    finally:
        stop.set()
        for worker in workers:
            worker.join()


@HOWS
def test_sighup_loses_no_connection(home: Home, how: str) -> None:
    with Resident(home, how) as resident:
        with busy(resident) as trouble:
            for times in range(2, 6):
                resident.hang_up()
                resident.wait_for_log(STARTED, times)
        assert not trouble
        resident.wait_for_no_sessions()


def test_many_sighups_at_once(home: Home) -> None:
    """Each may come while the last one is being obeyed, in whatever state: nobody is lost, and it comes to rest."""
    with Resident(home) as resident:
        with busy(resident) as trouble:
            for _ in range(40):
                resident.hang_up()
                greeted(resident).quit()
        assert not trouble
        resident.wait_for_no_sessions()
        assert resident.process.poll() is None and KEPT not in resident.log
        times = resident.log.count(STARTED)
        resident.hang_up()
        resident.wait_for_log(STARTED, times + 1)
        greeted(resident).quit()
