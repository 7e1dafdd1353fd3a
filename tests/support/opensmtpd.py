"""Debian's OpenSMTPD, unpacked and not installed, since it conflicts with Postfix (contrib/apt-unpack). The paths of
its folders are compiled in, so it runs in a mount namespace that has folders of its own there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import ROOT, program, running

UNPACKED = ROOT / ".venv" / "mta" / "usr"
GROUP = 64997  # the group that its sendmail is setgid to
USERS = {"opensmtpd": 64998, "opensmtpq": GROUP}
CONFIGURATION = """action "here" maildir "{folder}/box"
action "elsewhere" relay host smtp://127.0.0.1:9
match for domain "example.org" action "here"
match from any for any action "elsewhere"
"""
RESOLVER = "lookup file\nnameserver 127.0.0.1\n"  # a client is not kept waiting for the name of its address
START = """set -e
for file in passwd group resolv.conf; do mount --bind {folder}/$file /etc/$file; done
for place in /var/spool /var/lib /run /usr/libexec; do mkdir -p $place; mount -t tmpfs tmpfs $place; done
mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty /usr/libexec/opensmtpd
chmod 711 /var/spool/smtpd /var/lib/opensmtpd /var/lib/opensmtpd/empty
mount --bind {unpacked}/libexec/opensmtpd /usr/libexec/opensmtpd
exec {unpacked}/sbin/smtpd -d -v -f {folder}/conf
"""
SENDMAIL = '#!/bin/sh\nexec {nsenter} -m -t {pid} {folder}/bin/sendmail "$@"\n'


class OpenSmtpd:
    """A running OpenSMTPD."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def env(self, **more: str) -> dict[str, str]:
        return {"SENDMAIL": str(self.folder / "sendmail"), **more}

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@contextmanager
def opensmtpd(folder: Path, configuration: str = CONFIGURATION) -> Iterator[OpenSmtpd]:
    """`configuration`: its smtpd.conf; {folder} stands for the folder."""
    (folder / "bin").mkdir(parents=True)
    facts = {"folder": folder, "unpacked": UNPACKED, "nsenter": program("nsenter")}
    for name, form in (("passwd", "{0}:x:{1}:{1}::/:/bin/false\n"), ("group", "{0}:x:{1}:\n")):
        own = "".join(form.format(user, number) for user, number in USERS.items())
        (folder / name).write_text(Path("/etc", name).read_text() + own)
    (folder / "resolv.conf").write_text(RESOLVER)
    (folder / "conf").write_text(configuration.format(**facts))
    shutil.copy(UNPACKED / "sbin" / "smtpctl", folder / "bin" / "sendmail")
    os.chown(folder / "bin" / "sendmail", 0, GROUP)
    (folder / "bin" / "sendmail").chmod(0o2755)
    started = OpenSmtpd(folder)
    argv = [program("unshare"), "-m", "/bin/sh", "-c", START.format(**facts)]
    with running(argv, log=folder / "log", ready=lambda: "smtpd: setup done" in started.log()) as process:
        (folder / "sendmail").write_text(SENDMAIL.format(pid=process.pid, **facts))
        (folder / "sendmail").chmod(0o755)
        yield started
