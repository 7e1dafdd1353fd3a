"""The settings of SPF, DKIM and DMARC (SPEC section 17): contradictions, and legitimate mail that they would refuse."""

from __future__ import annotations

from ..checkers._authentication import DEFAULT_TIMEOUT
from ..mailauth.results import value
from ..mailauth.spf_macros import SpfSyntaxError, parse_explanation
from ..mailauth.spf_record import parse_rules
from ..smtp.numbers import leading_number
from .findings import Report, shown
from .home import Home
from .settings import Setting

READERS = {"spfrules": parse_rules, "spfexp": parse_explanation}
HIGHEST = {"SPFBEHAVIOR": 6, "DMARCBEHAVIOR": 3}
REFUSES = 3  # the value of both variables from which on mail is refused
BEYOND = "the highest value is {0}, so it counts as {0}"
NOBODY_RELAYS = (
    "refuses mail, and no client is exempt: mail that your own hosts and backup MX forward is refused too; "
    "set RELAYCLIENT for them in tcpserver's rules"
)
FORGERIES_STAY = (
    "SPF, DKIM and DMARC are off for this client: its mail gets no Authentication-Results field, and forged ones "
    "with this server's name stay in it; DKIMVERIFY removes them and refuses nothing"
)
NO_TIME = "0 leaves no time: each result that needs the DNS is temperror, and behaviors from 2 on defer all mail"
CLIENT_TIMEOUT = 300  # seconds that a client waits for the reply to MAIL (RFC 5321 section 4.5.3.2.2)
EXEMPTING = ("relaymailfrom", "tlsclients")  # files that let clients relay


def judge(report: Report, home: Home) -> None:
    """The control files."""
    for name, highest in HIGHEST.items():
        if leading_number(home.line(name.lower()), 0) > highest:
            report.warning(f"control/{name.lower()}", BEYOND.format(highest), 1)
    seconds = leading_number(home.line("dnstimeout"), DEFAULT_TIMEOUT)
    if seconds == 0:
        report.error("control/dnstimeout", NO_TIME, 1)
    elif seconds > CLIENT_TIMEOUT:
        report.warning(
            "control/dnstimeout",
            f"write {CLIENT_TIMEOUT} or less: a client only waits {CLIENT_TIMEOUT} seconds for the reply to MAIL",
            1,
        )
    ours = home.line("authservid")
    if ours and value(ours) != ours:
        text = f'"{shown(ours)}" has to be quoted in Authentication-Results; write a plain name, like that of a host'
        report.error("control/authservid", text, 1)
    for file, read in READERS.items():
        try:
            read(home.line(file))
        except SpfSyntaxError as trouble:
            text = f"{shown(home.line(file))}: {shown(str(trouble).encode())}"
            report.error(f"control/{file}", f"{text}; every session that asks for SPF gets 421", 1)


def judge_setting(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """`others`: for the plain setting those of the rules, which are added to it."""
    for name, highest in HIGHEST.items():
        if setting.sets(name) and leading_number(setting.value(name), 0) > highest:
            setting.warning(report, f"{name}: {BEYOND.format(highest)}")
    if setting.address is None or setting.sets(*HIGHEST):
        _spf_before_dmarc(report, setting, home)
    if setting.address is None:
        _nobody_exempt(report, setting, others, home)
        _forgeries_stay(report, setting, others, home)


def behavior(setting: Setting, home: Home, name: str) -> int:
    """The number of the variable in this setting, else that in the control file."""
    return leading_number(setting.value(name) if setting.has(name) else home.line(name.lower()), 0)


def _spf_before_dmarc(report: Report, setting: Setting, home: Home) -> None:
    """If SPF refuses at MAIL, DMARC never sees that a DKIM signature is valid."""
    if behavior(setting, home, "SPFBEHAVIOR") >= REFUSES and behavior(setting, home, "DMARCBEHAVIOR"):
        text = "SPF refuses mail that passes DMARC by its DKIM signature; SPFBEHAVIOR=2 leaves the decision to DMARC"
        if setting.has("SPFBEHAVIOR"):
            setting.warning(report, f"SPFBEHAVIOR: {text}")
        else:
            report.warning("control/spfbehavior", text, 1)


def _forgeries_stay(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """A warning for each rule whose clients, such as a backup MX, may send Authentication-Results fields that look like
    ours, since no check removes them."""
    if not any(_asked_for(one, home) for one in (setting, *others)):
        return
    for one in others:
        if one.sets(*HIGHEST) and not one.has("RELAYCLIENT") and not _asked_for(one, home):
            one.warning(report, FORGERIES_STAY)


def _asked_for(setting: Setting, home: Home) -> bool:
    return setting.has("DKIMVERIFY") or any(behavior(setting, home, name) for name in HIGHEST)


def _nobody_exempt(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """Mail that is forwarded by our own hosts and backup MX fails SPF, and often DMARC."""
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
