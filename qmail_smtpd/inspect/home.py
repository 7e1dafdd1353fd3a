"""The qmail home for qmail-smtpd-check: the files of the working directory, read without ever raising an error.

A file that cannot be read is reported once, by controls.py, and counts as missing everywhere else.
"""

from __future__ import annotations

import os
import stat

from ..control.files import ControlError, ControlFiles, first_line, list_lines
from ..programs.helper import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Home:
    """The control files of the working directory."""

    def __init__(self) -> None:
        self.control = ControlFiles()
        self._texts: dict[str, bytes | None] = {}

    def read(self, name: str) -> bytes | None:
        """A control file, None if it is missing or unreadable."""
        if name not in self._texts:
            try:
                self._texts[name] = self.control.read(name)
            except ControlError:
                self._texts[name] = None
        return self._texts[name]

    def has(self, name: str) -> bool:
        return os.path.lexists(f"control/{name}")

    def line(self, name: str) -> bytes:
        return first_line(self.read(name) or b"")

    def entries(self, name: str) -> list[tuple[int, bytes]]:
        """The entries of a list file with their line numbers."""
        return list(numbered(self.read(name) or b""))

    def domains(self, *names: str) -> dict[bytes, str]:
        """The entries of list files, in lower case, and their places (`control/locals:3`)."""
        return {
            entry.lower(): f"control/{name}:{line}" for name in reversed(names) for line, entry in self.entries(name)
        }


def names_in(folder: str) -> list[str]:
    """The names of the files in a folder, sorted; none if it does not exist or may not be listed."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def numbered(text: bytes) -> Iterator[tuple[int, bytes]]:
    """The entries of a list file's text, with their line numbers."""
    for number, line in enumerate(text.split(b"\n"), 1):
        for entry in list_lines(line):
            yield number, entry


def program_trouble(path: bytes) -> str:
    """Why a program of this home cannot be started, "" if it can."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be used: {error.strerror}"
    if not stat.S_ISREG(mode):
        return "is not a file"
    if not os.access(path, os.X_OK):
        return "is not executable: chmod +x it"
    return ""


def is_ours(path: bytes) -> bool:
    """Whether a helper is the one of this project, not the original or another in its place."""
    return b"qmail_smtpd.directory." in text_of(path)
