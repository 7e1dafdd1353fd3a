"""Files in control/ and variables that only other versions of qmail read, and files that no known program reads."""

from __future__ import annotations

import os

from ..control.catalogue import FILES
from ..session.spelling import nearest
from . import others
from .controls import OTHERS
from .findings import Report, shown
from .home import Home
from .settings import Setting

BACKUPS = (
    ".orig",
    ".bak",
    ".old",
    ".new",
    ".save",
    ".dist",
    ".sample",
    ".example",
    ".rpmsave",
    ".rpmnew",
    ".lock",
    "~",
)


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    for setting in settings:
        for variable in setting.own:
            _variable(report, setting, variable.decode("latin1"), settings, home)
    try:
        names = sorted(os.listdir("control"))
    except OSError:
        return  # reported by controls.py
    for name in names:
        if name in others.FILES and not _answered(others.FILES[name], settings, home):
            other = others.FILES[name]
            report.warning(f"control/{name}", f"is a file of {other.whose}, without effect here: {other.instead}")
    if not any(setting.has("SPPCONFFILE") for setting in settings):
        _unread(report, [name for name in names if not _is_known(name)], home)


def _variable(report: Report, setting: Setting, name: str, settings: list[Setting], home: Home) -> None:
    other = others.known(name)
    if other is not None and not _answered(other, settings, home):
        setting.warning(report, f"{name} is a variable of {other.whose}, without effect here: {other.instead}")


def _answered(other: others.Other, settings: list[Setting], home: Home) -> bool:
    """Whether the site has configured what replaces it here."""
    return any(home.has(name) or any(one.has(name) for one in settings) for name in other.here)


def _is_known(name: str) -> bool:
    """Whether a program reads a file, or it is a backup, a note or the like, or was reported as misspelt."""
    if name in FILES or name in OTHERS or name in others.FILES or name.startswith((".", "#")):
        return True
    if name.endswith((*BACKUPS, ".tmp", ".cdb")) or name.upper().startswith(("README", "NOTES", "TODO")):
        return True
    return any(name.startswith(f"{one}.") for one in FILES) or bool(nearest(name, FILES))


def _unread(report: Report, names: list[str], home: Home) -> None:
    """Report all of them in one line, except files that others name; none if the site has checkers or plugins of its
    own, which may read any file."""
    if any(home.has(name) for name in ("smtpcheckers", "smtpplugins")):
        return
    named = b"\n".join(home.line(name) for name in ("smtpcert", "ldapcafile"))
    left = [name for name in names if os.fsencode(name) not in named and not _is_key_or_folder(name)]
    if left:
        files = ", ".join(shown(os.fsencode(name)) for name in left)
        report.warning("control", f"no known program reads {files}: misspelt, or left by another program?")


def _is_key_or_folder(name: str) -> bool:
    return name.endswith((".pem", ".key", ".crt", ".csr")) or os.path.isdir(f"control/{name}")
