"""Debian's Exim, unpacked and not installed, since it conflicts with Postfix (contrib/apt-unpack). It is the `sendmail`
of a home, but only shows where an address would be delivered (-bt)."""

from __future__ import annotations

from pathlib import Path

from .processes import ROOT, program

EXIM = ROOT / ".venv" / "mta" / "usr" / "sbin" / "exim4"
USER = "Debian-exim"  # is built in; no installation has made it here
CONFIGURATION = """exim_path = {exim}
spool_directory = {folder}
log_file_path = {folder}/log-%s
primary_hostname = mx.example.org
percent_hack_domains = example.org : mx.example.org
begin routers
elsewhere:
  driver = accept
  domains = ! example.org : ! mx.example.org
  transport = box
here:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  file = {folder}/box
begin retry
"""
# In a mount namespace of its own, where that user exists.
SENDMAIL = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
cat >/dev/null
exec {unshare} -m /bin/sh -c '
	mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/group /etc/group || exit 71
	exec {exim} -C {folder}/conf -bt "$@" >{folder}/said 2>&1' sh "$@"
"""


class Exim:
    """An Exim whose files are in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, line in (("passwd", f"{USER}:x:64999:64999::/:/bin/false\n"), ("group", f"{USER}:x:64999:\n")):
            (folder / name).write_text(Path("/etc", name).read_text() + line)
        facts = {"exim": EXIM, "folder": folder, "unshare": program("unshare")}
        (folder / "conf").write_text(CONFIGURATION.format(**facts))
        (folder / "sendmail").write_text(SENDMAIL.format(**facts))
        (folder / "sendmail").chmod(0o755)

    def env(self, **more: str) -> dict[str, str]:
        return {"SENDMAIL": str(self.folder / "sendmail"), **more}

    def said(self) -> str:
        """Exim's output for the last addresses, "" if it was not called."""
        path = self.folder / "said"
        return path.read_text() if path.exists() else ""
