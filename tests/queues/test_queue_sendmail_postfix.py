"""bin/queue-sendmail before Debian's Postfix: mail for a local mailbox, bounces, refusals.

The Postfix is the test's own: configuration, queue and master in one folder, no network service.
"""

from __future__ import annotations

import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.processes import program, running, wait_until
from ..support.queue_program import Outcome, QueueProgram, envelope_of

ENVELOPE = envelope_of(b"joe@example.net", b"ann@example.org")

MAIN_CF = """compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.org
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
message_size_limit = 100000
virtual_mailbox_domains = example.org
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = regexp:{root}/conf/boxes
virtual_uid_maps = static:{user.pw_uid}
virtual_gid_maps = static:{user.pw_gid}
virtual_minimum_uid = 1
default_transport = error:not here
maillog_file = {root}/log
maillog_file_prefixes = {root}
"""
MASTER_CF = """postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
showq unix n - n - - showq
"""
BOXES = """/^ann@example[.]org$/ ann/
/^bob@example[.]org$/ bob/
/^"?a, b"?@example[.]org$/ ab/
"""
QUEUES = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "private",
    "saved",
    "trace",
)


class Postfix:
    """A running Postfix whose files are all in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        user = pwd.getpwnam("postfix")
        for name in ("conf", "spool/pid"):
            (root / name).mkdir(parents=True)
        (root / "conf/main.cf").write_text(MAIN_CF.format(root=root, user=user))
        (root / "conf/master.cf").write_text(MASTER_CF)
        (root / "conf/boxes").write_text(BOXES)
        for name in ("data", "mail", *[f"spool/{queue}" for queue in QUEUES]):
            self._folder(name, 0o700, "postfix")
        self._folder("spool/maildrop", 0o1730, "postdrop")
        self._folder("spool/public", 0o2710, "postdrop")

    def _folder(self, name: str, mode: int, group: str) -> None:
        path = self.root / name
        path.mkdir()
        shutil.chown(path, "postfix", group)
        path.chmod(mode)

    def submit(self, tmp_path: Path, message: bytes, envelope: bytes, error_pipe: int | None = 4) -> Outcome:
        env = {"MAIL_CONFIG": str(self.root / "conf"), "SENDMAIL": program("sendmail")}
        with QueueProgram("queue-sendmail", tmp_path, env=env, error_pipe=error_pipe) as running_program:
            running_program.message(message)
            running_program.envelope(envelope)
            return running_program.wait()

    def box(self, user: str) -> list[bytes]:
        folder = self.root / "mail" / user / "new"
        return [file.read_bytes() for file in folder.iterdir()] if folder.is_dir() else []

    def log(self) -> str:
        return (self.root / "log").read_text()


@pytest.fixture(scope="module")
def postfix(public_folder: Path) -> Iterator[Postfix]:
    root = public_folder / "postfix"
    root.mkdir(mode=0o755)
    installed = Postfix(root)
    env = {"MAIL_CONFIG": str(root / "conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def up() -> bool:
        return (root / "spool/public/pickup").exists() and (root / "log").exists()

    with running([program("master"), "-d"], env=env, cwd=root, log=root / "output", ready=up):
        yield installed


def test_postfix_delivers(postfix: Postfix, tmp_path: Path) -> None:
    message = b"From: joe@example.net\nSubject: hello\n\nFirst line\n.\n\xfcber\nFrom here\n"
    envelope = envelope_of(b"joe@example.net", b"ann@example.org", b"a, b@example.org")
    assert postfix.submit(tmp_path, message, envelope) == Outcome(0, b"", b"")
    wait_until(lambda: postfix.box("ann") and postfix.box("ab"), f"delivery: {postfix.log()}")
    (text,) = postfix.box("ann")
    assert text.startswith(b"Return-Path: <joe@example.net>\n")
    assert b"\nDelivered-To: ann@example.org\n" in text
    assert text.endswith(b"\n\nFirst line\n.\n\xfcber\nFrom here\n")
    assert b'Delivered-To: "a, b"@example.org\n' in postfix.box("ab")[0]


def test_postfix_takes_a_bounce(postfix: Postfix, tmp_path: Path) -> None:
    assert postfix.submit(tmp_path, b"Subject: bounce\n\n", envelope_of(b"", b"bob@example.org")).code == 0
    wait_until(lambda: postfix.box("bob"), f"delivery: {postfix.log()}")
    assert postfix.box("bob")[0].startswith(b"Return-Path: <>\n")
    assert "from=<>" in postfix.log()


def test_postfix_refuses_what_is_too_big(postfix: Postfix, tmp_path: Path) -> None:
    message = b"Subject: big\n\n" + b"x\n" * 100_000
    assert postfix.submit(tmp_path, message, ENVELOPE, None) == Outcome(71, b"", b"")
    outcome = postfix.submit(tmp_path, message, ENVELOPE)
    assert outcome.code == 82
    assert outcome.text.startswith(b"Z") and b"message file too big" in outcome.text


def test_postfix_is_never_told_of_half_an_envelope(postfix: Postfix, tmp_path: Path) -> None:
    assert postfix.submit(tmp_path, b"Subject: half\n\n", ENVELOPE[:-1]).code == 54
    assert list((postfix.root / "spool/maildrop").iterdir()) == []


def test_postfix_takes_no_address_for_an_option(postfix: Postfix, tmp_path: Path) -> None:
    message = b"From: -bs@example.net\nSubject: options\n\n"
    assert postfix.submit(tmp_path, message, envelope_of(b"-bs@example.net", b"-bp@example.org")) == Outcome(
        0, b"", b""
    )
    # It does not like such addresses (allow_min_user), but takes them for what they are.
    wait_until(lambda: "to=<-bp@example.org>" in postfix.log(), postfix.log())
    assert "from=<-bs@example.net>" in postfix.log()
