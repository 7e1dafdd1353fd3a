"""How much memory a receiver takes for a message: its queue program reads everything and keeps its parent's peak.

peak = Peak(home, tmp_path)         tmp_path holds the home and nothing else; spools go there too
peak.of(60)                         kB, of a session that delivers 60 MB to two recipients
home.program("qmail-queue", PEAK); ...; kept(home)      the same, where a test has a session of its own
"""

from __future__ import annotations

import os
from pathlib import Path

from .dialog import Dialog
from .held_site import ENVELOPE
from .home import Home

PEAK = """#!/usr/bin/python3 -IS
import os
for fd in (0, 1):
    while os.read(fd, 65536):
        pass
line = [line for line in open(f"/proc/{os.getppid()}/status") if line.startswith("VmHWM")]
open("peak", "w").write(line[0].split()[1])
"""
LINES = ("x" * 1022 + "\r\n") * 64  # a sixteenth of a megabyte


def kept(home: Home) -> int:
    """What the queue program has found, in kB."""
    return int((home.path / "peak").read_text())


class Peak:
    """See the module's text."""

    def __init__(self, home: Home, folder: Path) -> None:
        self._home, self._folder = home, folder
        home.program("qmail-queue", PEAK)

    def of(self, megabytes: int) -> int:
        with Dialog(self._home, TMPDIR=str(self._folder)) as dialog:
            dialog.say(ENVELOPE + "Subject: large\r\n\r\n")
            for code in (220, 250, 250, 250, 354):
                dialog.ask(None, code)
            for _ in range(megabytes * 16):
                dialog.say(LINES)
            dialog.say(".\r\n")
            dialog.ask(None, 250)
            assert os.listdir(self._folder) == [self._home.path.name]  # a spool has no name, or no longer
            dialog.ask("QUIT", 221)
        return kept(self._home)
