"""SPF, DKIM and DMARC together (SPEC section 17): what contradicts itself, and whom a refusal would hit by mistake."""

from __future__ import annotations

from ..checkers._authentication import DEFAULT_TIMEOUT
from ..mailauth.results import value
from ..mailauth.spf_macros import SyntaxTrouble, parse_explanation
from ..mailauth.spf_record import parse_rules
from ..smtp.numbers import leading_number
from .findings import Report, shown
from .home import Home
from .settings import Setting

READERS = {"spfrules": parse_rules, "spfexp": parse_explanation}
HIGHEST = {"SPFBEHAVIOR": 6, "DMARCBEHAVIOR": 3}
REFUSES = 3  # from this behavior on, both of them
BEYOND = "there is nothing beyond {0}, so it counts as {0}"
NOBODY_RELAYS = (
    "refuses, but no client may relay: what your own hosts and backup MX bring is refused too; "
    "give them RELAYCLIENT in tcpserver's rules"
)
FORGERIES_STAY = (
    "SPF, DKIM and DMARC are off for this client: its mail gets no Authentication-Results field, and forged ones "
    "with this server's name stay in it; DKIMVERIFY removes them and refuses nothing"
)
NO_TIME = "0 leaves no time: each result that needs the DNS is temperror, and behaviors from 2 on defer all mail"
PATIENCE = 300  # seconds (RFC 5321 section 4.5.3.2.2)
EXEMPTING = ("relaymailfrom", "tlsclients")  # files that let clients relay


def judge(report: Report, home: Home) -> None:
    """The files, whoever the client is."""
    for name, highest in HIGHEST.items():
        if leading_number(home.line(name.lower()), 0) > highest:
            report.warning(f"control/{name.lower()}", BEYOND.format(highest), 1)
    seconds = leading_number(home.line("dnstimeout"), DEFAULT_TIMEOUT)
    if seconds == 0:
        report.error("control/dnstimeout", NO_TIME, 1)
    elif seconds > PATIENCE:
        report.warning("control/dnstimeout", f"a client waits {PATIENCE} seconds for the reply to MAIL", 1)
    ours = home.line("authservid")
    if ours and value(ours) != ours:
        report.error("control/authservid", f'"{shown(ours)}" is no word: hardly a reader of the field would know it', 1)
    for file, read in READERS.items():
        try:
            read(home.line(file))
        except SyntaxTrouble as trouble:
            text = f"{shown(home.line(file))}: {shown(str(trouble).encode())}"
            report.error(f"control/{file}", f"{text}; every session that asks for SPF gets 421", 1)


def judge_setting(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """`others`: the settings that are laid over this one, the plain one."""
    for name, highest in HIGHEST.items():
        if setting.sets(name) and leading_number(setting.value(name), 0) > highest:
            setting.warning(report, f"{name}: {BEYOND.format(highest)}")
    if setting.address is None or setting.sets(*HIGHEST):
        _spf_before_dmarc(report, setting, home)
    if setting.address is None:
        _nobody_exempt(report, setting, others, home)
        _forgeries_stay(report, setting, others, home)


def behavior(setting: Setting, home: Home, name: str) -> int:
    """How far a check goes in this setting: the variable, else the file."""
    return leading_number(setting.value(name) if setting.has(name) else home.line(name.lower()), 0)


def _spf_before_dmarc(report: Report, setting: Setting, home: Home) -> None:
    """Where SPF refuses, no signature is looked at."""
    if behavior(setting, home, "SPFBEHAVIOR") >= REFUSES and behavior(setting, home, "DMARCBEHAVIOR"):
        text = "SPF refuses at MAIL what a good signature would make up for: with 2 it leaves that to DMARC"
        if setting.has("SPFBEHAVIOR"):
            setting.warning(report, f"SPFBEHAVIOR: {text}")
        else:
            report.warning("control/spfbehavior", text, 1)


def _forgeries_stay(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """A backup MX whose mail is not checked brings fields that readers take for ours."""
    if not any(_asked_for(one, home) for one in (setting, *others)):
        return
    for one in others:
        if one.sets(*HIGHEST) and not one.has("RELAYCLIENT") and not _asked_for(one, home):
            one.warning(report, FORGERIES_STAY)


def _asked_for(setting: Setting, home: Home) -> bool:
    return setting.has("DKIMVERIFY") or any(behavior(setting, home, name) for name in HIGHEST)


def _nobody_exempt(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """Mail that our own hosts and backup MX bring does not come from where its domain says."""
    exempt = any(one.has("RELAYCLIENT") or one.has("SMTPAUTH") for one in (setting, *others))
    if exempt or any(home.entries(name) for name in EXEMPTING):
        return
    for name in HIGHEST:
        if behavior(setting, home, name) < REFUSES:
            continue
        if setting.has(name):
            setting.warning(report, f"{name} {NOBODY_RELAYS}")
        else:
            report.warning(f"control/{name.lower()}", NOBODY_RELAYS, 1)
