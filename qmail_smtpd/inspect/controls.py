"""The files in control/: whether they are known, readable, of the right kind, and have the right syntax."""

from __future__ import annotations

import os
import stat

from ..control.catalogue import FILES, SECRETS
from ..control.files import ControlError, first_line, reason
from ..session.spelling import nearest
from ..smtp.numbers import leading_number
from .findings import Report, shown
from .home import Home
from .others import FILES as OF_OTHERS

PEM = b"-----BEGIN "
HOST_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
AT_LEAST_ONE = ("timeoutsmtpd", "concurrencyincoming", "sessionsperprocess", "rbltimeout", "spptimeout")
READ_BY_ALL, READ_BY_GROUP = 0o004, 0o040
# Files of the other programs of the qmail-ldap family, which are not to be reported as misspelt ones of ours.
_OTHERS = """
    authsenders bouncefrom bouncehost bouncemaxbytes clientcert.pem concurrencylocal concurrencyremote custombouncetext
    defaultdelivery defaultdomain defaulthost dirmaker domainbindings domaincerts doublebouncehost doublebounceto
    envnoathost filterargs helohost idhost ldapcluster ldapclusterhosts ldapdefaultdotmode ldapdefaultquota ldapgid
    ldapmessagestore ldapuid locals.lock notlshosts notlshosts_auto outgoingip percenthack plusdomain qmqpcip
    qmqpservers qmqphosts queuelifetime quotawarning rcpthosts.tmp simcontrol simcontrol.cdb simversions.cdb smtproutes
    smtproutes.cdb ssattach ssattach.cdb taps tcp.imap tcp.pop3 tcp.qmqp tcp.smtp tcp.smtp.cdb timeoutconnect
    timeoutqmqpd timeoutremote tlsclientciphers tlsclients tlsdestinations virtualdomains virtualdomains.cdb"""
OTHERS = frozenset(_OTHERS.split())


def judge(report: Report, home: Home) -> None:
    try:
        names = sorted(os.listdir("control"))
    except OSError as error:
        report.unusable(ControlError(b"control", reason(error)))
        return
    for name in names:
        if name in FILES:
            _known(report, home, name)
        elif name not in OTHERS and name not in OF_OTHERS:
            _unknown(report, name)
    if "me" not in names:
        report.error("control/me", "does not exist: every session gets 421; write the name of this host into it")


def _unknown(report: Report, name: str) -> None:
    meant = nearest(name, FILES)
    if meant and not name.startswith(f"{meant}."):
        report.warning(f"control/{shown(os.fsencode(name))}", f"is read by no program; did you mean {meant}?")


def _known(report: Report, home: Home, name: str) -> None:
    path, kind = f"control/{name}", FILES[name].kind
    try:
        status = os.stat(path)
    except FileNotFoundError:
        report.error(path, "is a link to a file that does not exist, and counts as missing")
    except OSError as error:
        report.unusable(ControlError(path.encode(), reason(error)))
    else:
        if stat.S_ISDIR(status.st_mode) != (kind == "folder"):
            report.error(path, "must be a folder" if kind == "folder" else "is a folder, and must be a file")
        elif not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode) or stat.S_ISCHR(status.st_mode)):
            report.error(path, "is no regular file, and counts as empty")  # /dev/null, a device, is an empty one
        elif kind != "folder":
            _content(report, home, name, status)


def _content(report: Report, home: Home, name: str, status: os.stat_result) -> None:
    path, kind = f"control/{name}", FILES[name].kind
    try:
        home.control.read(name)
    except ControlError as trouble:
        report.error(path, f"{shown(trouble.reason)}; every session that needs it gets 421")
        return
    _permissions(report, name, status)
    text = home.read(name) or b""
    if kind in ("line", "int"):
        _first_line(report, path, kind, text)
    if name == "me":
        _me(report, path, first_line(text))


def _me(report: Report, path: str, name: bytes) -> None:
    if not name:
        report.error(path, "its first line is empty; write the name of this host", 1)
    elif not HOST_NAME.issuperset(name.lower()) or name.endswith(b"."):
        report.warning(path, f"{shown(name)} is no host name, but others see it in the greeting and in Received", 1)
    elif b"." not in name:
        report.hint(f"{path}: {shown(name)} is no full host name; others see it in the greeting and in Received")


def _permissions(report: Report, name: str, status: os.stat_result) -> None:
    """Whether others can read a secret, and whether the programs can read the rest, which root cannot find out by
    reading."""
    path = f"control/{name}"
    if name in SECRETS:
        if status.st_mode & READ_BY_ALL:
            report.warning(path, "everybody can read this secret: chmod o-r it")
    elif os.geteuid() == 0 == status.st_uid and not status.st_mode & (READ_BY_ALL | READ_BY_GROUP):
        report.warning(path, "only root can read it; the programs do not run as root")


def _first_line(report: Report, path: str, kind: str, text: bytes) -> None:
    line = first_line(text)
    if kind == "line" and PEM in text:
        report.error(path, "contains the PEM text itself; write the path of a PEM file instead", 1)
    elif kind == "int" and leading_number(line, -1) < 0:
        report.error(path, f'"{shown(line)}" is no number: the default ({_default(path)}) is used', 1)
    elif kind == "int" and not line.isdigit():
        report.warning(path, f'"{shown(line)}" counts as {leading_number(line, 0)}: only digits are read', 1)
    elif kind == "int" and int(line) == 0 and os.path.basename(path) in AT_LEAST_ONE:
        report.warning(path, f'"{shown(line)}" counts as 1, the least that is possible', 1)
    elif line.startswith((b" ", b"\t")):
        report.warning(path, "blanks at the start of the line count as part of the value: remove them", 1)
    elif line.startswith(b"#"):
        report.warning(path, "the first line is the value, even if it begins with #: remove this line", 1)


def _default(path: str) -> str:
    return FILES[os.path.basename(path)].default
