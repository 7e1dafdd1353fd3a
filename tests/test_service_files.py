"""The files of contrib/service, each started for real by what it is for; ports, paths and users apart."""

from __future__ import annotations

import getpass
import os
import pwd
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from .support.activation import Resident, accepted
from .support.home import Home
from .support.processes import BIN, ROOT, accepts, free_port, program, running, wait_until
from .support.smtp import Client, connect

SERVICE = ROOT / "contrib" / "service"
UNITS = sorted(path.name for path in (SERVICE / "systemd").iterdir())


@pytest.fixture
def site(public_folder: Path, tmp_path: Path) -> Home:
    """A home where the programs are, that another user may enter and queue in."""
    home = Home(public_folder / f"site.{tmp_path.name}")
    home.link("qmail-smtpd")
    return home


def deliver(port: int, source: str = "127.0.0.1", recipient: str = "u@example.org") -> Client:
    """A message; the client, still connected. It asserts that nothing but replies comes."""
    client = connect(("127.0.0.1", port), source)
    client.ask(None, 220)
    client.ask("NONSENSE", 502)
    client.deliver(recipient)
    return client


# daemontools, runit


@contextmanager
def run_script(site: Home, **env: str) -> Iterator[tuple[int, int]]:
    """`run`, as supervise starts it: in its folder, fd 1 to the log. (its pid, its port)"""
    port = free_port()
    user = pwd.getpwnam("nobody").pw_name
    full = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(site.path), "SMTP_PORT": str(port), "SMTP_ADDRESS": "127.0.0.1"}
    full |= {"SMTP_USER": user, "SMTP_RULES": str(site.path / "rules.cdb"), **env}
    log = site.path / "run.log"
    folder = SERVICE / "daemontools"
    with running(["./run"], env=full, cwd=folder, log=log, ready=lambda: accepts(port)) as process:
        yield process.pid, port


def test_tcpserver(site: Home) -> None:
    """Without rules: mail comes in as an ordinary user, nobody relays, and there is a log."""
    with run_script(site) as (pid, port):
        client = deliver(port)
        client.ask("MAIL FROM:<s@sender.example>", 250)
        client.ask("RCPT TO:<u@elsewhere.example>", 553)
        client.quit()
        assert Path(f"/proc/{pid}/comm").read_text() == "tcpserver\n", (
            "it becomes the server, that supervise can signal"
        )
        if os.getuid() == 0:
            assert os.stat(f"/proc/{pid}").st_uid == pwd.getpwnam("nobody").pw_uid
        wait_until(lambda: "connection ended: client quit" in (site.path / "run.log").read_text(), "the log")
    (queued,) = site.queued()
    assert queued.env["TCPLOCALHOST"] == "mx.example.org"


def test_tcpserver_with_rules_and_a_limit(site: Home) -> None:
    rules, limit = '127.0.0.1:allow,RELAYCLIENT=""\n127.0.0.2:deny\n', 1
    argv = [program("tcprules"), str(site.path / "rules.cdb"), str(site.path / "rules.tmp")]
    subprocess.run(argv, input=rules.encode(), check=True)
    site.control("concurrencyincoming", f"{limit}\n")
    with run_script(site, SMTP_RULES=str(site.path / "rules.cdb")) as (_, port):
        with connect(("127.0.0.1", port), "127.0.0.2") as refused:
            assert refused.hear() == ""
        client = deliver(port, recipient="u@elsewhere.example")
        with connect(("127.0.0.1", port)) as waiting:
            client.ask("NOOP", 250)
            assert waiting.is_silent()
            client.quit()
            waiting.ask(None, 220)


def test_tcpserver_for_a_user_who_is_not_there(site: Home) -> None:
    """It does not start: as root it would not give root up."""
    (site.path / "bin" / "id").write_text('#!/bin/sh\n[ "$2" = nobody-here ] && exit 1\necho 0\n')  # as root sees it
    (site.path / "bin" / "id").chmod(0o755)
    env = {"PATH": f"{site.path}/bin:/usr/bin:/bin", "QMAILHOME": str(site.path), "SMTP_USER": "nobody-here"}
    script = "tcpserver() { echo started; }; . ./run"
    done = subprocess.run(
        ["/bin/sh", "-c", script], env=env, cwd=SERVICE / "daemontools", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(("text", "limit"), [("7", "7"), ("0", "1"), ("many", "40"), (None, "40"), ("12 each", "12")])
def test_tcpserver_is_told_the_numbers_as_the_resident_mode_reads_them(
    site: Home, tmp_path: Path, text: str | None, limit: str
) -> None:
    (tmp_path / "tcpserver").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (tmp_path / "tcpserver").chmod(0o755)
    if text is not None:
        site.control("concurrencyincoming", f"{text}\n")
    site.control("me", "mx.example.org \t\n")
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "QMAILHOME": str(site.path), "SMTP_USER": "nobody"}
    done = subprocess.run(["./run"], env=env, cwd=SERVICE / "daemontools", capture_output=True, text=True, check=True)
    assert f"|-l|mx.example.org|-c|{limit}|" in done.stdout


@pytest.mark.parametrize("tool", ["multilog", "svlogd"])
def test_log_run(tmp_path: Path, tool: str) -> None:
    """Stand-ins for daemontools or runit: what would be executed, with the log on fd 0."""
    for name in {"multilog": ("multilog", "setuidgid"), "svlogd": ("svlogd", "chpst")}[tool]:
        (tmp_path / name).write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >>{tmp_path}/called\ncat >>{tmp_path}/said\n')
        (tmp_path / name).chmod(0o755)
    for name in ("id", "head", "cat", "mkdir", "chown"):
        (tmp_path / name).symlink_to(program(name))
    script = (SERVICE / "daemontools" / "log" / "run").read_text().replace(":/usr/local/bin:/usr/bin", "")
    env = {"PATH": str(tmp_path), "LOG_USER": "nobody"}
    subprocess.run(["/bin/sh", "-c", script], input=b"a line\n", env=env, check=True, cwd=tmp_path)
    # LOG_USER cannot create it in a folder of root, and without it the log, and then tcpserver, would stand still.
    assert (tmp_path / "main").owner() == ("nobody" if os.getuid() == 0 else getpass.getuser())
    called, said = (tmp_path / "called").read_text(), (tmp_path / "said").read_text()
    expected = {"multilog": "multilog t s1000000 n20 ./main\n", "svlogd": "svlogd -t ./main\n"}[tool]
    if os.getuid() == 0:
        expected = {"multilog": "setuidgid nobody ", "svlogd": "chpst -u nobody "}[tool] + expected
    assert (called, said) == (expected, "a line\n")


# xinetd


@contextmanager
def xinetd(site: Home, name: str, rules: Path | None = None, **env: str) -> Iterator[tuple[int, int]]:
    """xinetd with one of the files. (its pid, its port)"""
    port = free_port()
    text = (SERVICE / "xinetd" / name).read_text()
    values = {"port": str(port), "bind": "127.0.0.1", "user": getpass.getuser(), "server": str(BIN / "qmail-smtpd")}
    more = "".join(f" {name}={value}" for name, value in env.items())
    values["env"] = f"QMAILHOME={site.path} LOGLEVEL=4 PATH=/usr/bin:/bin{more}"
    if rules:
        text, times = re.subn(r"(?m)^#(\tenv\s*\+= TCPRULES=).*$", lambda found: found[1] + str(rules), text)
        assert times == 1
    for key, value in values.items():
        text, times = re.subn(rf"(?m)^(\t{key}\s*= ).*$", lambda found, value=value: found[1] + value, text)
        assert times == 1, key
    config = site.path / "xinetd.conf"
    config.write_text(text)
    argv = [program("xinetd"), "-dontfork", "-f", str(config), "-pidfile", str(site.path / "xinetd.pid")]
    log = site.path / "xinetd.log"
    with running([*argv, "-filelog", str(log)], log=site.path / "out", ready=lambda: accepts(port)) as process:
        yield process.pid, port
    assert "Unknown" not in log.read_text() and "Bad " not in log.read_text()
    assert not (site.path / "out").read_text()


def servers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_xinetd(site: Home) -> None:
    """wait = no: a process for each connection. TCPLOCALHOST names this host in Received."""
    with xinetd(site, "smtp", TCPLOCALHOST="mx.example.org") as (pid, port):
        first, second = deliver(port), deliver(port)
        assert len(set(servers_of(pid))) == 2
        first.quit()
        second.quit()
    assert [message.env["TCPREMOTEIP"] for message in site.queued()] == ["127.0.0.1"] * 2
    assert all(b"\n          by mx.example.org (qmail-" in message.message for message in site.queued())


@pytest.mark.parametrize("name", ["smtp", "smtp-resident"])
def test_xinetd_with_rules(site: Home, name: str) -> None:
    """The line that is there as a comment does what it says."""
    rules = site.path / "rules.cdb"
    argv = [program("tcprules"), str(rules), f"{rules}.tmp"]
    subprocess.run(argv, input=b'127.0.0.1:allow,RELAYCLIENT=""\n:deny\n', check=True)
    with xinetd(site, name, rules) as (pid, port):
        deliver(port, recipient="u@elsewhere.example").quit()
        with connect(("127.0.0.1", port), "127.0.0.2") as refused:
            assert refused.hear() == ""
        for server in servers_of(pid):  # the resident one outlives xinetd
            with suppress(ProcessLookupError):
                os.kill(server, signal.SIGTERM)
        wait_until(lambda: not servers_of(pid), "nothing is left")


def test_xinetd_resident(site: Home) -> None:
    """wait = yes: one process for all of them. xinetd starts another when it has ended, however it ended."""
    with xinetd(site, "smtp-resident") as (pid, port):
        first, second = deliver(port), deliver(port)
        (resident,) = servers_of(pid)
        assert len(servers_of(resident)) == 2
        first.quit()
        os.kill(resident, signal.SIGHUP)
        deliver(port).quit()
        assert servers_of(pid) == [resident]
        os.kill(resident, signal.SIGTERM)
        second.deliver()
        second.quit()
        deliver(port).quit()
        (successor,) = servers_of(pid)
        assert successor != resident
        os.kill(successor, signal.SIGKILL)
        wait_until(lambda: successor not in servers_of(pid), "xinetd has noticed")
        deliver(port).quit()
        (last,) = servers_of(pid)
        os.kill(last, signal.SIGTERM)
        wait_until(lambda: not servers_of(pid), "nothing is left")
    assert len(site.queued()) == 6
    assert {message.env["TCPREMOTEIP"] for message in site.queued()} == {"127.0.0.1"}


# systemd


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit file."""
    found: dict[str, list[str]] = {}
    for line in (SERVICE / "systemd" / name).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def verify(folder: Path) -> str:
    """What systemd thinks of all unit files in a folder."""
    argv = [program("systemd-analyze"), "verify", *sorted(str(path) for path in folder.iterdir())]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit {done.returncode}")


@pytest.mark.parametrize("mode", ["qmail-smtpd.socket qmail-smtpd@.service", "qmail-smtpd-resident"])
def test_units_are_well_formed(tmp_path: Path, mode: str) -> None:
    names = [name for name in UNITS if name in mode.split() or name.rpartition(".")[0] == mode]
    assert len(names) == 2
    for name in names:
        text = (SERVICE / "systemd" / name).read_text().replace("/var/qmail/bin/", f"{BIN}/")
        (tmp_path / name).write_text(text)
    assert verify(tmp_path) == ""
    for name in names:
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("\n[Install]", "\nBogus=1\n[Install]") + "Bogus=1\n")
    assert "Bogus" in verify(tmp_path), "systemd-analyze would tell"


def started_by(name: str) -> tuple[list[str], dict[str, str]]:
    """The command of a service unit, run by this tree's program, and its environment but for the home."""
    settings = unit(name)
    (command,) = settings["ExecStart"]
    argv = command.removeprefix("-").replace("/var/qmail/bin", str(BIN)).split()
    words = " ".join(settings["Environment"]).split()
    env = dict(word.split("=", 1) for word in words if not word.startswith("QMAILHOME="))
    assert settings["StandardInput"] == ["socket"] and settings["StandardError"] == ["journal"]
    return argv, env


def test_systemd(home: Home) -> None:
    """Accept=yes: a service for each connection, which is fd 0, 1 and 3."""
    settings = unit("qmail-smtpd.socket")
    assert settings["Accept"] == ["yes"] and settings["ListenStream"] == ["25"]
    argv, env = started_by("qmail-smtpd@.service")
    with accepted(home, argv, **env) as (client, process):
        client.ask(None, 220)
        client.deliver()
        client.quit()
        log = process.communicate(timeout=30)[1]
        assert process.returncode == 0 and b"message queued" in log


def test_systemd_resident(home: Home) -> None:
    """Accept=no: one service for all, the listening socket is fd 0 and 3. Reload and stop are what the unit says."""
    assert unit("qmail-smtpd-resident.socket")["Accept"] == ["no"]
    service = unit("qmail-smtpd-resident.service")
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert service["KillMode"] == ["mixed"], "or SIGTERM would end the sessions too"
    argv, env = started_by("qmail-smtpd-resident.service")
    with Resident(home, "both", argv=argv, **env, TCPLOCALHOST="mx.example.org") as resident:
        first = deliver(resident.port)
        reload = service["ExecReload"][0].replace("$MAINPID", str(resident.pid)).split()
        subprocess.run([program("kill"), *reload[1:]], check=True)
        resident.wait_for_log("SIGHUP: starting afresh")
        deliver(resident.port).quit()
        resident.terminate()
        first.quit()
        assert resident.wait() == 0
    assert len(home.queued()) == 2
    assert all(b"\n          by mx.example.org (qmail-" in message.message for message in home.queued())


# For every site


STARTS = [path for path in (ROOT / "contrib").rglob("*") if path.is_file() and "QMAILHOME=" in path.read_text("latin1")]


@pytest.mark.parametrize("path", STARTS, ids=lambda path: path.name)
def test_new_sites_take_no_routes(path: Path) -> None:
    """Whatever starts a receiver: no way to another host in a recipient, whichever program gets the mail."""
    assert "BLOCKRELAYPROBE" in path.read_text()
