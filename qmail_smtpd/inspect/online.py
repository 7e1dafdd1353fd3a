"""--online: whether the LDAP servers, DNS lists, milters and policy servers answer. No other part of qmail-smtpd-check
contacts a server."""

from __future__ import annotations

from copy import copy
from time import monotonic

from ..control.files import ControlError, ControlFiles
from ..smtp import ip
from . import filters
from .findings import Report, shown
from .home import Home
from .settings import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters.settings import Filter

TIMEOUT = 5.0  # seconds for all DNS lists together
LISTED, NOT_LISTED = b"127.0.0.2", b"127.0.0.1"  # test entries of every list (RFC 5782 section 5)
NO_ENTRY = "(mail=nobody@qmail-smtpd-check.invalid)"  # a filter that matches nothing


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    """DNS lists are asked once for each value of DNSCACHEIP in the settings."""
    if home.has("ldapserver"):
        _directory(report, home.control)
    if home.has("rbllist"):
        asking = [one for one in settings if one.has("RBL")] or settings[:1]
        for setting in {one.value("DNSCACHEIP"): one for one in reversed(asking)}.values():
            _dns_lists(report, setting, home)
    for line, one in filters.lines(home, "smtpmilters"):
        _milter(report, line, one)
    for line, one in filters.lines(home, "smtppolicies"):
        _policy(report, line, one)


def _milter(report: Report, line: int, one: Filter) -> None:
    """Connect and negotiate, which only a milter answers."""
    from ..filters.milterlink import Link, MilterFailed

    try:
        Link(one).close()
    except MilterFailed as trouble:
        report.error("control/smtpmilters", f"{one.name} does not answer: {shown(trouble.args[0])}", line)


def _policy(report: Report, line: int, one: Filter) -> None:
    """Only connect: a request would count as mail, for rate limits and greylisting."""
    from ..net.stream import StreamError, connect

    try:
        connect(one.address, monotonic() + TIMEOUT).close()
    except StreamError as trouble:
        report.error("control/smtppolicies", f"{one.name} does not answer: {shown(trouble.args[0])}", line)


def _directory(report: Report, control: ControlFiles) -> None:
    """Connect to each LDAP server, bind and search."""
    from ..directory.client import Directory, TooMany, Unavailable
    from ..directory.program import MaskLog
    from ..directory.settings import Settings

    try:
        settings = Settings(control)
    except ControlError as trouble:
        report.unusable(trouble)
        return
    for server in settings.servers:
        only = copy(settings)
        only.servers = [server]
        directory = Directory(only, MaskLog(b"qmail-smtpd-check", 0))
        try:
            directory.search(NO_ENTRY, ["mail"])
        except Unavailable as trouble:
            report.error("control/ldapserver", f"{server} does not answer: {shown(trouble.args[0])}")
        except TooMany:
            pass  # an answer all the same
        finally:
            directory.close()


def _dns_lists(report: Report, setting: Setting, home: Home) -> None:
    from ..net import rbllist

    lines = {entry.split()[0].lower(): line for line, entry in reversed(home.entries("rbllist")) if entry.split()}
    for client in (LISTED, NOT_LISTED):
        for base, said in rbllist.ask(setting.env, TIMEOUT, ip.parse(client) or b"", list(lines)).items():
            name, asked, line = shown(base), shown(client), lines[base]
            if said.trouble:
                report.error("control/rbllist", f"{name} does not answer: {said.trouble}", line)
            elif client == LISTED and not said.addresses:
                text = f"{name} does not list {asked}, which every working list does: is it still in service?"
                report.warning("control/rbllist", text, line)
            elif client == NOT_LISTED and said.addresses:
                report.error("control/rbllist", f"{name} lists {asked}: it lists every client; remove it", line)
