"""A separate Postfix for a test: configuration, queue and master in one folder, no network service."""

from __future__ import annotations

import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import program, running
from .queue_program import Outcome, QueueProgram

MAIN_CF = """compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.org
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
message_size_limit = 100000
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

    def __init__(self, root: Path, settings: str, services: str) -> None:
        self.root = root
        user = pwd.getpwnam("postfix")
        for name in ("conf", "spool/pid"):
            (root / name).mkdir(parents=True)
        (root / "conf/main.cf").write_text(MAIN_CF.format(root=root, user=user) + settings)
        (root / "conf/master.cf").write_text(MASTER_CF + services)
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

    def env(self, **more: str) -> dict[str, str]:
        """The variables by which queue-sendmail uses it."""
        return {"MAIL_CONFIG": str(self.root / "conf"), "SENDMAIL": program("sendmail"), **more}

    def submit(
        self, tmp_path: Path, message: bytes, envelope: bytes, error_pipe: int | None = 4, **env: str
    ) -> Outcome:
        with QueueProgram("queue-sendmail", tmp_path, env=self.env(**env), error_pipe=error_pipe) as running_program:
            running_program.message(message)
            running_program.envelope(envelope)
            return running_program.wait()

    def box(self, user: str) -> list[bytes]:
        folder = self.root / "mail" / user / "new"
        return [file.read_bytes() for file in folder.iterdir()] if folder.is_dir() else []

    def log(self) -> str:
        return (self.root / "log").read_text()


@contextmanager
def postfix(root: Path, settings: str, services: str = "") -> Iterator[Postfix]:
    """It runs; `settings` are more lines of main.cf, `services` of master.cf."""
    root.mkdir(mode=0o755)
    installed = Postfix(root, settings, services)
    env = {"MAIL_CONFIG": str(root / "conf"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def up() -> bool:
        return (root / "spool/public/pickup").exists() and (root / "log").exists()

    with running([program("master"), "-d"], env=env, cwd=root, log=root / "output", ready=up):
        yield installed
