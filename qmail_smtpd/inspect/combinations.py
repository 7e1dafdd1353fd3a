"""Variables and files together: what cannot work, what has no effect, and who may relay."""

from __future__ import annotations

from ..checkers.routes import follows_routes
from ..control.catalogue import VARIABLES
from ..control.config import read as read_config
from ..control.files import ControlError
from ..smtp.numbers import leading_number
from .findings import Report, shown
from .home import Home, is_ours, program_trouble
from .settings import Setting

PRIVATE = (b"10.", b"127.")  # networks of eight bits that may well be ours as a whole


def judge(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """`others`: the settings that are laid over this one, the plain one; none for a rule's."""
    for check in (_tls, _auth, _verify, _counts, _greeting, _relay):
        check(report, setting, home)
    _needs(report, setting, others, home)
    _queue(report, setting)
    _routes(report, setting)


def _needs(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    for name in map(bytes.decode, filter(bytes.isascii, setting.own)):
        needs = VARIABLES[name].needs if name in VARIABLES else ()
        if not needs or any(_given(need, setting, others, home) for need in needs):
            continue
        if needs[0].isupper():
            setting.warning(report, f"{name} has no effect without {' or '.join(needs)}")
        else:
            setting.error(report, f"{name} has no effect without control/{needs[0]}: make that file")


def _given(need: str, setting: Setting, others: list[Setting], home: Home) -> bool:
    if not need.isupper():
        return bool(home.entries(need))
    return any(one.has(need) for one in (setting, *others))


def certificate(setting: Setting, home: Home) -> bytes:
    """The path of the certificate that a session in this setting uses."""
    return setting.value("SSLCERT") if setting.has("SSLCERT") else home.line("smtpcert")


def _tls(report: Report, setting: Setting, home: Home) -> None:
    if certificate(setting, home) or not setting.sets("SMTPAUTH", "SMTPS", "SSLCERT"):
        return
    advice = "name one in control/smtpcert"
    if setting.value("SMTPAUTH").upper() == b"TLSREQUIRED":
        setting.error(report, f"SMTPAUTH=TLSREQUIRED without a certificate: nobody can authenticate; {advice}")
    if setting.value("SMTPS") == b"1":
        setting.error(report, f"SMTPS=1 without a certificate: every session ends in the handshake; {advice}")


def _auth(report: Report, setting: Setting, home: Home) -> None:
    trouble = program_trouble(b"bin/auth_smtp")
    if setting.sets("SMTPAUTH") and trouble:
        setting.error(report, f"SMTPAUTH: bin/auth_smtp {trouble}; every AUTH gets 454")
    elif setting.sets("SMTPAUTH"):
        _needs_directory(report, setting, "SMTPAUTH", "bin/auth_smtp", home)
    if setting.sets("AUTHREQUIRED") and not (setting.has("SMTPAUTH") or setting.has("AUTHORIZED")):
        setting.error(report, "AUTHREQUIRED without SMTPAUTH: nobody can send anything")


def _verify(report: Report, setting: Setting, home: Home) -> None:
    for name in ("RCPTCHECK", "SENDERCHECK"):
        if not setting.sets(name):
            continue
        trouble = program_trouble(b"bin/qmail-verify")
        if trouble:
            setting.error(report, f"{name}: bin/qmail-verify {trouble}; every look-up fails")
        else:
            _needs_directory(report, setting, name, "bin/qmail-verify", home)
        if home.has("locals.cdb"):
            continue
        if not home.has("locals"):
            me = shown(home.line("me"))
            setting.warning(report, f"{name} without control/locals: only addresses at {me} (control/me) are looked up")
        elif not home.entries("locals"):
            setting.error(report, f"{name}: control/locals names no domain, so no address is looked up")


def _needs_directory(report: Report, setting: Setting, name: str, program: str, home: Home) -> None:
    """Our own programs look into a directory; another in their place may look elsewhere."""
    if is_ours(program.encode()) and not home.entries("ldapserver"):
        setting.error(report, f"{name}: {program} needs control/ldapserver, which names no server")


def _counts(report: Report, setting: Setting, home: Home) -> None:
    tarpit, most = (leading_number(setting.value(name), 0) for name in ("TARPITCOUNT", "MAXRCPTCOUNT"))
    if setting.sets("TARPITCOUNT", "MAXRCPTCOUNT") and tarpit > most > 0:
        setting.warning(report, f"TARPITCOUNT={tarpit} is never reached: MAXRCPTCOUNT={most} refuses before")


def _greeting(report: Report, setting: Setting, home: Home) -> None:
    if setting.sets("421GREETING", "550GREETING") and setting.has("421GREETING") and setting.has("550GREETING"):
        setting.warning(report, "421GREETING and 550GREETING: the second one counts")


def _relay(report: Report, setting: Setting, home: Home) -> None:
    if not setting.sets("RELAYCLIENT"):
        return
    if setting.address is None:
        setting.error(report, "RELAYCLIENT for every client: an open relay; set it in the rules of your own networks")
    elif setting.address == b"":
        setting.error(report, "RELAYCLIENT on the rule for everybody else: an open relay")
    elif setting.address == b"=":
        setting.error(report, "RELAYCLIENT on the rule for every host with a name: an open relay")
    elif setting.address[:-1].isdigit() and setting.address[-1:] == b"." and setting.address not in PRIVATE:
        setting.warning(report, f"RELAYCLIENT for 16 million addresses ({shown(setting.address)}): are they all yours?")


def _queue(report: Report, setting: Setting) -> None:
    """The queue program: of the plain setting, and where a rule names another."""
    if setting.address is not None and not setting.sets("QMAILQUEUE"):
        return
    path = setting.value("QMAILQUEUE") if setting.has("QMAILQUEUE") else b"bin/qmail-queue"
    trouble = program_trouble(path)
    if not trouble:
        return
    if setting.has("QMAILQUEUE"):
        setting.error(report, f"QMAILQUEUE: {shown(path) or 'an empty name'} {trouble}; every message gets 451")
    else:
        report.error("bin/qmail-queue", f"{trouble}; every message gets 451")


def _routes(report: Report, setting: Setting) -> None:
    """A queue program that may follow routes, and clients that may write some: once the widest of open relays."""
    if setting.address is not None and not setting.sets("QMAILQUEUE"):
        return
    if setting.has("BLOCKRELAYPROBE") or setting.has("RELAYCLIENT"):
        return
    try:
        followed = follows_routes(read_config(dict(setting.env)))
    except ControlError:
        return
    if followed:
        name = shown(setting.value("QMAILQUEUE")) if setting.has("QMAILQUEUE") else "bin/qmail-queue"
        setting.error(
            report,
            f"{name} may read % and ! in addresses as ways to other hosts: "
            "set BLOCKRELAYPROBE, or name it in control/plainqueues if it follows none",
        )
