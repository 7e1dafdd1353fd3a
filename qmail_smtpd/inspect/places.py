"""Owners and modes: whether other users could change what the receiver trusts, or read what is secret."""

from __future__ import annotations

import os
import stat

from ..control.config import Config
from ..control.places import trouble
from ..net.certificates import SERVERCERTS, CertificateError, key_of, read_pem
from .findings import Report
from .home import Home, names_in

TRUSTED = ("control", "bin", "checkers", "plugins")  # folders of the home whose files decide what the receiver does
WRITTEN = ("cache", "counters", "Maildir")  # folders that only the programs themselves may write to


def judge(report: Report, home: Home, config: Config | None) -> None:
    for folder in TRUSTED:
        if os.path.isdir(folder):
            for path in (folder, *(f"{folder}/{name}" for name in names_in(folder))):
                _changeable(report, path)
    for folder in WRITTEN:
        if os.path.isdir(folder) and os.stat(folder).st_mode & (stat.S_IWOTH | stat.S_IWGRP):
            report.error(folder, "others may write to it: chmod go-w it")
    for path in _certificates(config):
        _readable_key(report, path)


def _changeable(report: Report, path: str) -> None:
    """Report who else could change a file. A setuid program may belong to the user that it runs as, like qmail's own
    queue program."""
    try:
        status = os.stat(path)
    except OSError:
        return  # reported by other checks
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return  # as /dev/null in place of a list
    if status.st_mode & stat.S_IWOTH:
        report.error(path, "everybody may write to it, and so change what this host does: chmod o-w it")
    elif status.st_mode & stat.S_IWGRP:
        report.warning(path, f"group {status.st_gid} may write to it: chmod g-w it unless all of them are trusted")
    elif status.st_uid not in (0, os.geteuid()) and not status.st_mode & stat.S_ISUID:
        report.warning(path, f"belongs to user {status.st_uid}, who can change what this host does: chown root it")
    elif path.startswith(("checkers/", "plugins/")) and trouble(path):
        report.error(path, f"{trouble(path)}; it will not be used")


def _certificates(config: Config | None) -> list[str]:
    found = [os.fsdecode(config.certificate)] if config is not None and config.certificate else []
    return found + [f"{SERVERCERTS}/{name}" for name in names_in(SERVERCERTS) if name.endswith(".pem")]


def _readable_key(report: Report, path: str) -> None:
    try:
        key = key_of(path, read_pem(path))
        status = os.stat(key)
    except (OSError, ValueError, CertificateError):
        return  # reported by encryption.py
    if status.st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        report.error(key, "others may read or change this key: chmod go-w,o-r it")
