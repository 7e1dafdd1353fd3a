"""The queue program: is it there, can it work, and does it follow routes?"""

from __future__ import annotations

import os
import stat

from ..checkers.routes import follows_routes
from ..control.config import read as read_config
from ..control.files import ControlError
from .findings import Report, shown
from .home import program_trouble
from .settings import Setting

DEFAULT = "bin/qmail-queue"
ELF = b"\x7fELF"


def judge(report: Report, setting: Setting) -> None:
    """Of the plain setting, and where a rule names another."""
    if setting.address is not None and not setting.sets("QMAILQUEUE"):
        return
    path = setting.value("QMAILQUEUE") if setting.has("QMAILQUEUE") else DEFAULT.encode()
    trouble = program_trouble(path)
    if not trouble:
        _routes(report, setting)
    if trouble and setting.has("QMAILQUEUE"):
        setting.error(report, f"QMAILQUEUE: {shown(path) or 'an empty name'} {trouble}; every message gets 451")
    elif trouble:
        report.error(DEFAULT, f"{trouble}; every message gets 451")
    elif not setting.has("QMAILQUEUE"):
        _original(report)


def _original(report: Report) -> None:
    """The compiled program of a qmail works for anybody only as its own user, and in a queue."""
    try:
        with open(DEFAULT, "rb") as file:
            compiled, mode = file.read(4) == ELF, os.fstat(file.fileno()).st_mode
    except OSError as error:  # as a rule nobody may read a program that is setuid
        if not isinstance(error, PermissionError):
            return
        compiled, mode = True, os.stat(DEFAULT).st_mode
    if not compiled:
        return
    if not mode & stat.S_ISUID:
        advice = "that of qmail is: chown qmailq, chmod 4711; else every message gets 451"
        report.warning(DEFAULT, f"is a compiled program that is not setuid, and {advice}")
    elif not os.path.isdir("queue"):
        report.warning(
            "queue", f"does not exist, and {DEFAULT} is setuid like that of qmail: every message would get 451"
        )


def _routes(report: Report, setting: Setting) -> None:
    """A queue program that may follow routes, and clients that may write some: once the widest of open relays."""
    if setting.has("BLOCKRELAYPROBE") or setting.has("RELAYCLIENT"):
        return
    try:
        followed = follows_routes(read_config(dict(setting.env)))
    except ControlError:
        return
    if followed:
        name = shown(setting.value("QMAILQUEUE")) if setting.has("QMAILQUEUE") else DEFAULT
        setting.error(
            report,
            f"{name} may read % and ! in addresses as ways to other hosts: "
            "set BLOCKRELAYPROBE, or name it in control/plainqueues if it follows none",
        )
