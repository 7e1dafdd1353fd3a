"""The queue program: whether it exists, can work, and may relay by routes in addresses."""

from __future__ import annotations

import os
import stat

from ..checkers.routes import follows_routes
from ..control.config import read as read_config
from ..control.files import ControlError
from ..programs.helper import text_of
from .findings import Report, shown
from .home import program_trouble
from .settings import Setting

DEFAULT = "bin/qmail-queue"
SENDMAIL_QUEUE = b"qmail_smtpd.queues.sendmailqueue"  # is in queue-sendmail
ELF = b"\x7fELF"
NO_QUEUE_PROGRAM = "is no queue program, so every message gets 451: name bin/queue-sendmail, which runs sendmail"


def judge(report: Report, setting: Setting) -> None:
    """The queue program of the plain setting, and that of each rule which sets QMAILQUEUE."""
    if setting.address is not None and not setting.sets("QMAILQUEUE"):
        return
    path = setting.value("QMAILQUEUE") if setting.has("QMAILQUEUE") else DEFAULT.encode()
    trouble = program_trouble(path)
    if os.path.basename(path) == b"sendmail":
        setting.error(report, f"QMAILQUEUE: {shown(path)} {NO_QUEUE_PROGRAM}")
        return
    if not trouble:
        _routes(report, setting)
        if SENDMAIL_QUEUE in text_of(path):
            _size(report, setting)
    if trouble and setting.has("QMAILQUEUE"):
        setting.error(report, f"QMAILQUEUE: {shown(path) or 'an empty name'} {trouble}; every message gets 451")
    elif trouble:
        instead = "" if os.path.isdir("queue") else "; without qmail link it to queue-sendmail or maildir-queue"
        report.error(DEFAULT, f"{trouble}; every message gets 451{instead}")
    elif not setting.has("QMAILQUEUE"):
        _original(report)


def _original(report: Report) -> None:
    """qmail's own compiled qmail-queue needs setuid and a queue."""
    try:
        with open(DEFAULT, "rb") as file:
            compiled, mode = file.read(4) == ELF, os.fstat(file.fileno()).st_mode
    except OSError as error:  # a setuid program usually is not readable
        if not isinstance(error, PermissionError):
            return
        compiled, mode = True, os.stat(DEFAULT).st_mode
    if not compiled:
        return
    if not mode & stat.S_ISUID:
        advice = "chown qmailq and chmod 4711 it, or every message gets 451"
        report.warning(DEFAULT, f"is a compiled program and, unlike qmail's own, not setuid: {advice}")
    elif not os.path.isdir("queue"):
        report.warning(
            "queue", f"does not exist, and {DEFAULT} is setuid like qmail's own: every message would get 451"
        )


def _size(report: Report, setting: Setting) -> None:
    """Sendmail says of a message that is too large only that it failed: the client tries again for days."""
    try:
        limit = read_config(dict(setting.env)).databytes
    except ControlError:
        return
    if not limit:
        report.hint(
            "control/databytes: no limit, so a message that is too large for the mail system behind queue-sendmail "
            "gets 451 for days; write its limit there (of Postfix: postconf message_size_limit)"
        )


def _routes(report: Report, setting: Setting) -> None:
    """A queue program that may deliver by routes in addresses makes an open relay."""
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
            f"{name} may deliver an address with % or ! to another host, an open relay: "
            "set BLOCKRELAYPROBE, or list it in control/plainqueues if it does not",
        )
