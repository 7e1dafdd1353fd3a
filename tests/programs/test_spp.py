"""Plugins that misbehave, how they are run, and control/smtpplugins itself: trouble never lets mail in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.programs.spp import SECTIONS, BadPluginLine, read_sections

from ..support.home import Home, codes
from ..support.plugin_site import ENVELOPE, MESSAGE, PluginSite
from ..support.processes import BIN, wait_until

HANGS = "exec sleep 1000"


@pytest.fixture
def site(home: Home) -> PluginSite:
    home.control("spptimeout", "1\n")
    return PluginSite(home)


def deferred(site: PluginSite, reason: str) -> None:
    """MAIL gets 451, no later plugin is asked, nothing the plugin said counts, and the log names plugin and reason."""
    site.script("mail", "touch asked")
    site.home.control("badmailfrom", "joe@example.net\n")  # a later check would be more severe
    done = site.talk("MAIL FROM:<joe@example.net>\r\nNOOP\r\n")
    assert codes(done.stdout) == [220, 451, 250, 221]
    assert b"451 a check failed to work" in done.stdout
    line = (site.home.path / "control/smtpplugins").read_text().split("\n")[1]
    assert f"plugin {line} (control/smtpplugins:2) at mail: {reason}".encode() in done.stderr, done.stderr
    assert not (site.home.path / "asked").exists()


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


# Ends that are no good


@pytest.mark.parametrize("said", ["", "N", "O", "E553 no", "D"])
def test_a_crash(site: PluginSite, said: str) -> None:
    site.script("mail", f"echo '{said}'; kill -SEGV $$")
    deferred(site, "died by signal 11")


@pytest.mark.parametrize("said", ["", "N", "O", "E553 no"])
def test_exit_120(site: PluginSite, said: str) -> None:
    site.script("mail", f"echo '{said}'; exit 120")
    deferred(site, "exited 120")


@pytest.mark.parametrize("code", [1, 99, 111, 119, 121, 127, 255])
def test_other_exits_say_nothing(site: PluginSite, code: int) -> None:
    """As in qmail-spp, mail passes: but the log says which plugin it was."""
    site.script("mail", f"exit {code}")
    done = site.talk(LOGLEVEL="1")
    assert codes(done.stdout) == [220, 250, 250, 354, 250, 221]
    assert f"plugin plugins/mail.0 (control/smtpplugins:2) at mail: exited {code} without a command".encode() in (
        done.stderr
    )


def test_an_exit_after_a_command_is_no_trouble(site: PluginSite) -> None:
    site.script("mail", "echo HX-A: 1; exit 1")
    assert b"without a command" not in site.talk().stderr


def test_a_command_that_the_shell_cannot_read(site: PluginSite) -> None:
    site.line("mail", ":if test x; then echo 'E553 no'")
    done = site.talk(LOGLEVEL="1")
    assert codes(done.stdout) == [220, 250, 250, 354, 250, 221]
    assert b"(control/smtpplugins:2) at mail: exited 2 without a command" in done.stderr


def test_a_missing_program(site: PluginSite) -> None:
    site.line("mail", "plugins/missing")
    deferred(site, "cannot be executed: No such file or directory")


def test_a_program_without_permission(site: PluginSite) -> None:
    site.script("mail", "echo N").chmod(0o644)
    deferred(site, "cannot be executed: Permission denied")


def test_no_program_at_all(site: PluginSite) -> None:
    site.script("mail", "").write_text("echo N\n")
    deferred(site, "cannot be executed: Exec format error")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("plugins/missing x", 127),
        ("/dev/null", 126),
        ("sh -c 'kill -KILL $$'; exit $?", 137),
        ("echo N; exit 120", 120),
    ],
)
def test_a_shell_that_could_not_run_its_command(site: PluginSite, command: str, code: int) -> None:
    site.line("mail", f":{command}")
    deferred(site, f"exited {code}")


@pytest.mark.parametrize("section", ["connection", "helo", "rcpt", "data"])
def test_trouble_at_every_command(site: PluginSite, section: str) -> None:
    site.script(section, "exit 120")
    done = site.talk("HELO x\r\n" + ENVELOPE + "DATA\r\n" * (section == "data"))
    assert 451 in codes(done.stdout) and site.home.queued() == []


def test_trouble_undoes_an_authentication(site: PluginSite) -> None:
    site.home.program("auth_smtp", "#!/bin/sh\nprintf 'Kuser\\0'\n")
    site.script("auth", "exit 120")
    text = "AUTH PLAIN AHVzZXIAcGFzcw==\r\nMAIL FROM:<>\r\nRCPT TO:<a@elsewhere.example>\r\n"
    assert codes(site.talk(text, SMTPAUTH="").stdout) == [220, 451, 250, 553, 221]


# Too long, too much


@pytest.mark.parametrize(
    "script",
    [
        HANGS,
        f"echo N; {HANGS}",
        f"exec >&- 2>&-; {HANGS}",
        "trap '' TERM HUP INT; while :; do sleep 0.1; done",
        "while :; do echo 'HX-A: 1'; sleep 0.05; done",
    ],
)
def test_a_plugin_that_hangs(site: PluginSite, script: str) -> None:
    site.script("mail", script)
    deferred(site, "took too long")


def test_its_children_end_with_it(site: PluginSite) -> None:
    site.home.control("spptimeout", "30\n")  # what it does in the end is too much, not too long
    site.script(
        "mail",
        "sh -c 'sleep 1000 & echo $! >>pids; wait' & sleep 1000 & echo $$ $! >>pids\n"
        "until test $(wc -w <pids) = 3; do :; done; exec yes",
    )
    deferred(site, "printed more than 65536 bytes")
    pids = [int(word) for word in (site.home.path / "pids").read_text().split()]
    wait_until(lambda: all(gone(pid) for pid in pids), f"{pids} have ended")


@pytest.mark.parametrize("flood", ["exec yes", "exec yes N", "exec cat /dev/zero", "exec yes 'E553 no'"])
def test_a_flood(site: PluginSite, flood: str) -> None:
    site.home.control("spptimeout", "30\n")
    site.script("mail", flood)
    deferred(site, "printed more than 65536 bytes")


def test_a_process_that_stays_behind_is_left_alone(site: PluginSite) -> None:
    site.home.control("spptimeout", "30\n")
    site.script("mail", "sleep 1000 >/dev/null 2>&1 & echo $! >pid; echo N")
    try:
        assert codes(site.talk().stdout) == [220, 250, 250, 354, 250, 221]
    finally:
        pid = int((site.home.path / "pid").read_text())
        assert not gone(pid)
        os.kill(pid, 9)


# How it is run


def test_nothing_but_its_own_descriptors(site: PluginSite) -> None:
    script = [
        "import os",
        "shown = []",
        "for fd in os.listdir('/proc/self/fd'):",
        "    try: shown.append(fd + ' ' + os.readlink('/proc/self/fd/' + fd))",
        "    except OSError: pass  # the folder that was read",
        "open('fds', 'w').write('\\n'.join([*sorted(shown), str(os.getpgrp() == os.getpid())]))",
    ]
    site.script("mail", "\n".join(script), shell=sys.executable)
    extra, log = os.open("/dev/zero", os.O_RDONLY), os.open(site.home.path / "log", os.O_WRONLY | os.O_CREAT)
    argv, text = [os.fspath(BIN / "qmail-smtpd")], (ENVELOPE + MESSAGE + "QUIT\r\n").encode()
    env, pipe = site.home.env(), subprocess.PIPE
    subprocess.run(argv, input=text, stdout=pipe, stderr=log, env=env, pass_fds=(extra,), check=True)
    os.close(extra)
    os.close(log)
    zero, one, two, leads_its_group = (site.home.path / "fds").read_text().split("\n")
    assert zero == "0 /dev/null" and one.startswith("1 pipe:") and two == f"2 {site.home.path}/log"
    assert leads_its_group == "True"


def test_a_broken_pipe_ends_it_as_usual(site: PluginSite) -> None:
    site.script("mail", "grep SigIgn /proc/self/status >ignored")
    site.talk()
    ignored = int((site.home.path / "ignored").read_text().split()[1], 16)
    assert not ignored & 1 << signal.SIGPIPE - 1


def test_the_log_is_its_standard_error(site: PluginSite) -> None:
    site.script("mail", "echo 'from the plugin' >&2")
    assert b"from the plugin\n" in site.talk().stderr


def test_earlier_replies_are_sent_before_a_plugin_runs(site: PluginSite, tmp_path: Path) -> None:
    site.home.control("spptimeout", "30\n")
    site.script("mail", 'read answer <fifo; echo "E550 $answer"')
    fifo = site.home.path / "fifo"
    os.mkfifo(fifo)
    argv, pipe = [os.fspath(BIN / "qmail-smtpd")], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=site.home.env()) as session:
        assert session.stdin and session.stdout
        session.stdin.write(b"NOOP\r\nMAIL FROM:<>\r\nQUIT\r\n")
        session.stdin.flush()
        greeting = [session.stdout.readline(), session.stdout.readline()]
        fifo.write_text("now\n")  # the plugin waits for this, and this for the replies before
        assert greeting[1].startswith(b"250 ")
        assert session.stdout.readline() == b"550 now\r\n"


@pytest.mark.parametrize("line", ["plugins/with blanks", "/absolute", ":plugins/shell one && echo E550 two"])
def test_lines(site: PluginSite, line: str) -> None:
    script = '#!/bin/sh\necho "E550 $0 $1"\n'
    for name in ("with blanks", "shell", "absolute"):
        (site.home.path / "plugins" / name).write_text(script)
        (site.home.path / "plugins" / name).chmod(0o755)
    path = f"{site.home.path}/plugins/absolute"
    site.line("mail", line.replace("/absolute", path))
    expected = {"p": "plugins/with blanks ", "/": f"{path} ", ":": "plugins/shell one"}[line[0]]
    assert f"550 {expected}\r\n".encode() in site.talk("MAIL FROM:<>\r\n").stdout


def test_an_unterminated_line_and_crlf_count(site: PluginSite) -> None:
    site.script("mail", "printf 'SA=1\\r\\nSB=2'")
    site.script("mail", "env -0 > seen")
    site.talk()
    assert (site.seen("seen")["A"], site.seen("seen")["B"]) == ("1", "2")


# control/smtpplugins


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plugins/x\n", "line 1: not in a section: plugins/x"),
        ("\n# comment\n[ehlo]\n", "line 3: no such section: [ehlo]"),
        ("[mail\n", "line 1: no such section: [mail"),
        ("[mail] plugins/x\n", "line 1: no such section: [mail] plugins/x"),
        ("[]\n", "line 1: no such section: []"),
    ],
)
def test_a_malformed_file_is_fatal(site: PluginSite, text: str, told: str) -> None:
    site.home.control("smtpplugins", text)
    done = site.home.smtp("QUIT\r\n")
    assert (codes(done.stdout), done.returncode) == ([421], 1)
    assert b"(#4.3.0)" in done.stdout
    assert f"control/smtpplugins: {told}".encode() in done.stderr


def test_an_unreadable_file_is_fatal(site: PluginSite) -> None:
    (site.home.path / "control" / "smtpplugins").mkdir()
    assert codes(site.home.smtp("QUIT\r\n").stdout) == [421]


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "[mail]\n[rcpt]\n# plugins/x\n"])
def test_a_file_without_plugins(site: PluginSite, text: str) -> None:
    site.home.control("smtpplugins", text)
    assert codes(site.talk().stdout) == [220, 250, 250, 354, 250, 221]


def test_sections_can_come_again_and_in_any_case() -> None:
    sections = read_sections(b"[Mail]\n a \t\n\n#b\n[RCPT] \nc\n[mail]\nd\0e\n:f # g", b"F")
    found = {name: [(plugin.line, plugin.place) for plugin in plugins] for name, plugins in sections.items()}
    assert found == {b"mail": [(b"a", b"F:2"), (b"d", b"F:8"), (b":f # g", b"F:9")], b"rcpt": [(b"c", b"F:6")]}


def test_the_first_letter_names_a_section() -> None:
    text = b"[connect]\na\n[helo/ehlo]\nb\n[a]\nc\n[mailfrom]\nd\n[RcptTo]\ne\n[d]\nf\n"
    found = {name: [plugin.line for plugin in plugins] for name, plugins in read_sections(text, b"F").items()}
    assert found == {name: [b"%c" % (97 + place)] for place, name in enumerate(SECTIONS)}


@given(st.binary())
def test_any_file_is_read_or_refused(text: bytes) -> None:
    try:
        sections = read_sections(text, b"F")
    except BadPluginLine:
        return
    for plugins in sections.values():
        assert all(plugin.line.strip() == plugin.line != b"" for plugin in plugins)
