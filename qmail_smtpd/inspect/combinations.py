"""Combinations of variables and files that cannot work or have no effect."""

from __future__ import annotations

from ..control.catalogue import VARIABLES
from ..smtp.numbers import leading_number
from .findings import Report, shown
from .home import Home, is_ours, program_trouble
from .settings import Setting


def judge(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """`others`: for the plain setting those of the rules, which are added to it; empty for the setting of a rule."""
    for check in (_tls, _auth, _verify, _counts, _greeting):
        check(report, setting, home)
    _everybody(report, setting, others)
    _needs(report, setting, others, home)


def _needs(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    for name in map(bytes.decode, filter(bytes.isascii, setting.own)):
        needs = VARIABLES[name].needs if name in VARIABLES else ()
        if not needs or any(_given(need, setting, others, home) for need in needs):
            continue
        if needs[0].isupper():
            setting.warning(report, f"{name} has no effect without {' or '.join(needs)}")
        else:
            setting.error(report, f"{name} has no effect without control/{needs[0]}: create that file")


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
    elif setting.sets("SMTPAUTH"):
        setting.warning(report, f"SMTPAUTH without a certificate: passwords travel in clear; {advice}")
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


def _everybody(report: Report, setting: Setting, others: list[Setting]) -> None:
    """LOOSE and STRICT are meant for clients whose senders are all ours, as for submission."""
    word = setting.value("SENDERCHECK").upper()
    if word not in (b"LOOSE", b"STRICT") or setting.has("SMTPAUTH") or not setting.sets("SENDERCHECK"):
        return
    text = f"SENDERCHECK={word.decode()}"
    advice = "mail from other domains gets 554; move it to the rules of your own clients"
    if setting.address == b"":
        setting.error(report, f"{text} in the rule for all other clients: {advice}")
    elif any(one.address == b"" and not one.sets("SENDERCHECK") and not one.has("SMTPAUTH") for one in others):
        setting.error(report, f"{text} for all clients, since the rule for all others does not change it: {advice}")


def _needs_directory(report: Report, setting: Setting, name: str, program: str, home: Home) -> None:
    """Our own programs need an LDAP server; another program in their place may not."""
    if is_ours(program.encode()) and not home.entries("ldapserver"):
        setting.error(report, f"{name}: {program} needs control/ldapserver, which names no server")


def _counts(report: Report, setting: Setting, home: Home) -> None:
    tarpit, most = (leading_number(setting.value(name), 0) for name in ("TARPITCOUNT", "MAXRCPTCOUNT"))
    if setting.sets("TARPITCOUNT", "MAXRCPTCOUNT") and tarpit > most > 0:
        setting.warning(report, f"TARPITCOUNT={tarpit} is never reached: MAXRCPTCOUNT={most} refuses before that")


def _greeting(report: Report, setting: Setting, home: Home) -> None:
    if setting.sets("421GREETING", "550GREETING") and setting.has("421GREETING") and setting.has("550GREETING"):
        setting.warning(report, "421GREETING and 550GREETING are both set: the greeting is that of 550GREETING")
