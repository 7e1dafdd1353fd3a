"""Which clients may relay: RELAYCLIENT in the plain environment and in tcpserver's rules; and whether
mail is accepted for anybody."""

from __future__ import annotations

from .findings import Report, shown
from .home import Home
from .settings import Setting

PRIVATE = (b"10.", b"127.")  # /8 networks that may be ours as a whole
DATABASES = ("locals.cdb", "rcpthosts.cdb", "morercpthosts.cdb")
MAY_ACCEPT = (*DATABASES, "relaymailfrom", "tlsclients", "smtpcheckers", "smtpplugins")
HALF = 120  # as many /8 networks as half of the internet has (some of the 256 are reserved)


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    relaying = [setting for setting in settings if setting.sets("RELAYCLIENT")]
    for setting in relaying:
        if setting.address is None:
            setting.error(
                report, "RELAYCLIENT for every client: an open relay; set it in the rules of your own networks"
            )
        elif setting.address == b"":
            setting.error(report, "RELAYCLIENT in the rule for all other clients: an open relay; remove it there")
        elif setting.address == b"=":
            setting.error(report, "RELAYCLIENT in the rule for every host with a name: an open relay; remove it there")
    _wide(report, [setting for setting in relaying if _is_wide(setting.address)])
    _nobody(report, settings, home)


def _nobody(report: Report, settings: list[Setting], home: Home) -> None:
    """No recipient is accepted, from anybody: the lists of domains are empty, and nothing else can accept one."""
    if any(home.has(name) for name in MAY_ACCEPT) or not home.has("locals"):
        return
    if any(setting.has(name) for setting in settings for name in ("RELAYCLIENT", "SMTPAUTH")):
        return
    if not home.domains("locals", "rcpthosts"):
        report.warning("control/rcpthosts", "no domain is in it or in control/locals: every recipient gets 553")


def _is_wide(address: bytes | None) -> bool:
    """Whether it is a /8 network other than PRIVATE."""
    return address is not None and address[:-1].isdigit() and address[-1:] == b"." and address not in PRIVATE


def _wide(report: Report, wide: list[Setting]) -> None:
    """Report all such networks in one finding: a range like 0-127. is expanded to many rules."""
    if not wide:
        return
    first, last = (shown(one.address or b"") for one in (wide[0], wide[-1]))
    if len(wide) == 1:
        wide[0].warning(report, f"RELAYCLIENT for 16 million addresses ({first}): are they all yours?")
    elif len(wide) < HALF:
        text = f"RELAYCLIENT for {len(wide)} times 16 million addresses ({first} to {last}): are they all yours?"
        report.warning(wide[0].file, text, wide[0].line)
    else:
        text = f"RELAYCLIENT for half of the internet or more ({first} to {last}): an open relay"
        report.error(wide[0].file, text, wide[0].line)
