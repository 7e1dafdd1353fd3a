"""The resident mode when things go wrong, and what it costs in the long run."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.activation import Resident
from ..support.certificates import Pki, install
from ..support.home import Home
from ..support.processes import BIN, ROOT, free_port, program, wait_until
from ..support.smtp import Client

PAGE = os.sysconf("SC_PAGE_SIZE")
WARM_UP, CONNECTIONS, AT_ONCE, MOST = 300, 2400, 8, 20
MOST_GROWTH = 64  # bytes a connection: 100,000 of them would be 6 MB


def greeted(resident: Resident) -> Client:
    client = resident.connect()
    client.ask(None, 220)
    return client


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGHUP])
def test_a_crashed_session_is_alone(home: Home, number: signal.Signals) -> None:
    """Also by the signals that mean something to the parent."""
    home.control("concurrencyincoming", "2\n")
    with Resident(home) as resident, greeted(resident) as witness:
        (pid,) = resident.sessions()
        victim = greeted(resident)
        (other,) = set(resident.sessions()) - {pid}
        os.kill(other, number)
        assert victim.hear() == ""
        resident.wait_for_log(f"session {other} was ended by signal {number}")
        greeted(resident).quit()  # its place is free
        witness.deliver()
        witness.quit()
        resident.wait_for_no_sessions()
        assert "SIGHUP" not in resident.log


HANGS = """
import posix
try:
    posix.unlink("hang")  # the first session finds it
except FileNotFoundError:
    pass
else:
    while True:
        pass
from qmail_smtpd.checker import Checker
class Mine(Checker):
    def mail(self, session, event):
        return None
def setup(config):
    return Mine()
"""
IMPATIENT = f"""#!/usr/bin/python3 -IS
import sys
sys.path.insert(0, {str(ROOT)!r})
from qmail_smtpd import main
main.HUNG = 0
main.main()
"""


def test_a_session_that_hangs_for_good_is_ended(home: Home, tmp_path: Path) -> None:
    """An endless loop of a site's checker, in the only place there is; the program does not give it two hours."""
    impatient = tmp_path / "impatient"
    impatient.write_text(IMPATIENT)
    impatient.chmod(0o755)
    (home.path / "hang").touch()
    (home.path / "mine.py").write_text(HANGS)
    for name, text in (("smtpcheckers", "mine"), ("concurrencyincoming", "1"), ("sessiontimeout", "1")):
        home.control(name, text + "\n")
    with Resident(home, argv=[str(impatient)]) as resident, resident.connect() as hanging:
        assert hanging.hear() == ""
        resident.wait_for_log(f"was ended by signal {signal.SIGALRM.value}: it hung")
        home.control("sessiontimeout", "0\n")
        with greeted(resident) as client:
            client.deliver()
            client.quit()


@pytest.fixture
def unprivileged(public_folder: Path, tmp_path: Path, mode: str) -> Iterator[Resident]:
    """A resident of an ordinary user: limits of processes mean nothing to root."""
    home = Home(public_folder / tmp_path.name)
    home.control("sessionsperprocess", mode)
    user = 61234 if os.getuid() == 0 else None
    if user:
        for path in (home.path, *home.path.rglob("*")):
            os.chown(path, user, user)
    with Resident(home, user=user) as resident:
        yield resident


def limit(resident: Resident, what: str, soft: int | str = "") -> str:
    """Set a soft limit, as the user that has the process; the one before. Nothing: only tell."""
    argv = [program("prlimit"), "--pid", str(resident.pid)]
    owner = os.stat(f"/proc/{resident.pid}")
    user = {"user": owner.st_uid, "group": owner.st_gid} if os.getuid() == 0 else {}

    def call(*more: str) -> str:
        return subprocess.run([*argv, *more], **user, check=True, capture_output=True, text=True).stdout.strip()

    before = call(f"--{what}", "--raw", "--noheadings", "--output=SOFT")
    call(f"--{what}={soft}:")
    return before


def sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_no_process_to_be_had(unprivileged: Resident) -> None:
    resident = unprivileged
    with greeted(resident) as witness:
        before = limit(resident, "nproc", 1)
        with resident.connect() as client:
            assert "(#4.3.0)" in client.ask(None, 421)
            assert client.hear() == ""
        resident.wait_for_log("cannot fork: Resource temporarily unavailable")
        resident.hang_up()
        resident.wait_for_log("SIGHUP: cannot fork: ")
        witness.deliver()
        limit(resident, "nproc", before)
        greeted(resident).quit()


def test_no_descriptor_to_be_had(home: Home) -> None:
    """The client waits in the listen queue; the parent says why, and does not say it (nor try) all the time."""
    with Resident(home) as resident, greeted(resident) as witness:
        wait_until(lambda: sleeps(resident.pid), "the parent has closed what is the witness's")
        most = max(int(fd) for fd in os.listdir(f"/proc/{resident.pid}/fd")) + 1
        before = limit(resident, "nofile", most)
        with resident.connect() as client:
            resident.wait_for_log("cannot accept: Too many open files", 3)
            assert client.is_silent()
            witness.deliver()
            limit(resident, "nofile", before)
            client.ask(None, 220)
            client.quit()
        assert resident.log.count("cannot accept") < 300, "one a second, not as many as can be"


@pytest.mark.parametrize("trouble", ["home", "number"])
def test_a_start_that_fails(home: Home, trouble: str) -> None:
    """The socket stays with the super-server, which will try again; the log says why, at any level."""
    if trouble == "number":
        (home.path / "control" / "concurrencyperip").mkdir()
    folder = home.path / "nowhere" if trouble == "home" else home.path
    with Resident(home, QMAILHOME=str(folder), LOGLEVEL="0") as resident:
        assert resident.wait() == 1
        what = "control/concurrencyperip" if trouble == "number" else "No such file or directory"
        assert what in resident.log and "Traceback" not in resident.log


# Nobody but the client gets to see


def test_no_log_line_reaches_a_client(home: Home) -> None:
    """Under inetd with `wait` fd 2 is the listening socket; a child's is nowhere near its client."""
    home.control("badmailfrom", "@spam.example\n")
    home.program("noisy", "#!/bin/sh\necho noise >&2\nexit 120\n")
    home.control("smtpplugins", f"[rcpt]\n{home.path}/bin/noisy\n")
    with Resident(home, "inetd", LOGLEVEL="4") as resident, greeted(resident) as client:
        client.ask("MAIL FROM:<s@spam.example>", 553)
        client.ask("MAIL FROM:<s@sender.example>", 250)
        client.ask("RCPT TO:<u@example.org>", 451)
        client.ask("NONSENSE", 502)
        (pid,) = resident.sessions()
        links = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)}
        assert links[0] == links[1] and links[2] == "/dev/null"
        client.quit()
    assert resident.log == ""


# Cost


def test_the_parent_does_not_grow(home: Home) -> None:
    """Thousands of sessions, and some that are turned away: memory, descriptors and threads stay what they were."""
    home.control("concurrencyperip", f"{MOST}\n")
    with Resident(home, LOGLEVEL="0") as resident:
        many_sessions(resident, WARM_UP)
        memory, descriptors = resident_memory(resident.pid), sorted(os.listdir(f"/proc/{resident.pid}/fd"))
        many_sessions(resident, CONNECTIONS)
        assert resident_memory(resident.pid) - memory <= MOST_GROWTH * CONNECTIONS
        assert sorted(os.listdir(f"/proc/{resident.pid}/fd")) == descriptors
        assert len(os.listdir(f"/proc/{resident.pid}/task")) == 1


def resident_memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def many_sessions(resident: Resident, number: int) -> None:
    """Connect and leave, half of them with QUIT, the others without; then some more at once than one address may."""
    trouble: list[Exception] = []

    def visit() -> None:
        try:
            served = 0
            while served < number // AT_ONCE:
                with resident.connect() as client:
                    if client.hear().startswith("220"):
                        served += 1
                        if served % 2:
                            client.quit()
        except Exception as error:
            trouble.append(error)

    visitors = [threading.Thread(target=visit) for _ in range(AT_ONCE)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not trouble
    resident.wait_for_no_sessions()
    clients = [greeted(resident) for _ in range(MOST)]
    for _ in range(number // 10):
        with resident.connect() as client:
            client.ask(None, 421)
    for client in clients:
        client.quit()
    resident.wait_for_no_sessions()


# What the parent has imported, no child has to

MODULE = r'openat\(.*(\.pyc?"|(cpython|abi3|site-packages)[^"]*\.so)'
RICH = {"SMTPAUTH": "", "RBL": "", "RETURNMXCHECK": "", "RCPTCHECK": "", "SENDERCHECK": "", "REJECTEXEC": ""}
SENDERS = {"SPFBEHAVIOR": "1", "DKIMVERIFY": "", "DMARCBEHAVIOR": "1"}
SIGNED = "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=AAAA; b=AAAA\r\nFrom: u@a.test\r\n"
CHECKS = {"NOBOUNCE": "", "SANITYCHECK": "", "BLOCKRELAYPROBE": "", "MAXRCPTCOUNT": "9", "TARPITCOUNT": "9"}


@pytest.fixture
def rich(home: Home, tmp_path: Path) -> Home:
    """A home where everything is switched on. Neither directory nor name server are there: the failing is quick."""
    home.link("qmail-verify", "auth_smtp")
    lists = dict.fromkeys(("goodmailfrom", "badmailfrom", "badmailpatterns", "badrcptto"), "x@x.example\n")
    lists |= {"rbllist": "list.test reject any listed\n", "signatures": "TVqQ\n", "ldapserver": "127.0.0.1:1\n"}
    lists |= {
        "ldapcache": "60\n",
        "mindatarate": "1\n",
        "ldapbasedn": "dc=x\n",
        "locals": "example.org\n",
        "relaymailfrom": "x@x.example\n",
    }
    for name, text in lists.items():
        home.control(name, text)
    install(home, Pki(tmp_path).server())
    for name in ("rcpthosts.cdb", "rules.cdb"):
        command, text = ("tcprules", ":allow\n") if name == "rules.cdb" else (str(BIN / "qmail-cdb"), "example.org\n")
        path = home.path / "control" / name
        argv = [command if "/" in command else program(command), str(path), f"{path}.tmp"]
        subprocess.run(argv, input=text.encode(), check=True, env=home.env())
    return home


def rich_environment(home: Home) -> dict[str, str]:
    rules = str(home.path / "control" / "rules.cdb")
    return {**RICH, **CHECKS, "DNSCACHEIP": f"127.0.0.1:{free_port()}", "TCPRULES": rules, "LDAPSOFTOK": ""}


@pytest.mark.unmeasured
def test_children_import_nothing(rich: Home, tmp_path: Path) -> None:
    """Every check, TLS, authentication, the directory: no child opens a module, none starts an interpreter."""
    trace = tmp_path / "trace"
    argv = [program("strace"), "-D", "-f", "-qq", "-e", "trace=openat,execve", "-o", str(trace)]
    env = {**rich_environment(rich), **SENDERS}
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with Resident(rich, argv=[*argv, str(BIN / "qmail-smtpd")], **env) as resident:
        with greeted(resident) as client:
            client.ask("STARTTLS", 220)
            client.socket = trusting.wrap_socket(client.socket, server_hostname="mx.example.org")
            client.ask("EHLO c", 250)
            client.quit()
        with greeted(resident) as client:
            client.ask("EHLO c", 250)
            client.ask("AUTH PLAIN AGpvZQBzZWNyZXQ=", 454)
            client.ask("MAIL FROM:<s@sender.example>", 421)  # no name server
        with greeted(resident) as client:
            client.ask("MAIL FROM:<s@[192.0.2.1]>", 250)
            client.ask("RCPT TO:<u@example.org>", 250)  # no directory
            client.ask("DATA", 354)
            client.ask(f"{SIGNED}MIME-Version: 1.0\r\n\r\nbody\r\n.", 250)
            client.quit()
        resident.wait_for_no_sessions()
        parent = resident.pid
    calls = [(int(line.split()[0]), line) for line in trace.read_text().splitlines()]
    imports = [(pid, line) for pid, line in calls if re.search(MODULE, line)]
    starts = [(pid, line) for pid, line in calls if "execve(" in line and pid != parent]
    assert {pid for pid, _ in imports} & {parent}, "the trace shows such things"
    assert starts and all('execve("bin/qmail-queue"' in line for _, line in starts)
    assert not [line for pid, line in imports if pid not in {parent, *(pid for pid, _ in starts)}]


def test_a_program_that_was_replaced(rich: Home) -> None:
    """What stands in bin/ when it is needed counts, not what stood there when the parent started."""
    env = {name: value for name, value in rich_environment(rich).items() if name in ("RCPTCHECK", "SMTPAUTH")}
    with Resident(rich, **env) as resident:
        with greeted(resident) as client:
            client.ask("MAIL FROM:<s@sender.example>", 250)
            client.ask("RCPT TO:<u@example.org>", 451)
            (rich.path / "bin" / "qmail-verify").unlink()
            (rich.path / "bin" / "auth_smtp").unlink()
            names_ours = "# instead of: from qmail_smtpd.directory.verify import main\n"
            rich.program("qmail-verify", f"#!/bin/sh\n{names_ours}printf K\n")
            rich.program("auth_smtp", "#!/bin/sh\nprintf 'Kjoe\\0'\n")
        with greeted(resident) as client:
            client.ask("AUTH PLAIN AGpvZQBzZWNyZXQ=", 235)
            client.deliver()
    wait_until(rich.queued, "the message")
    assert rich.queued()[0].env["SMTPAUTHUSER"] == "joe"
