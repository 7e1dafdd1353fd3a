"""--online: whether LDAP servers, name servers, DNS lists, milters and policy servers answer. No other part of
qmail-smtpd-check contacts a server."""

from __future__ import annotations

from copy import copy
from time import monotonic

from ..control.files import ControlError, ControlFiles
from ..smtp import ip
from ..smtp.numbers import leading_number
from . import filters
from .findings import Report, shown
from .home import Home
from .settings import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters.settings import Filter

TIMEOUT = 5.0  # seconds for all DNS lists together
LISTED, NOT_LISTED = b"127.0.0.2", b"127.0.0.1"  # test entries of every list (RFC 5782 section 5)
NO_NAME = b"qmail-smtpd-check.invalid"  # every name server answers that there is no such name (RFC 6761)
BEHAVIORS = ("SPFBEHAVIOR", "DMARCBEHAVIOR")
NO_ENTRY = "(mail=nobody@qmail-smtpd-check.invalid)"  # a filter that matches nothing


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    """DNS lists are asked once for each value of DNSCACHEIP in the settings."""
    if home.has("ldapserver"):
        _directory(report, home.control)
    if home.has("rbllist"):
        asking = [one for one in settings if one.has("RBL")] or settings[:1]
        for setting in _by_name_servers(asking):
            _dns_lists(report, setting, home)
    for setting in _by_name_servers([one for one in settings if _resolves(one, home)]):
        _name_servers(report, setting)
    for line, one in filters.lines(home, "smtpmilters"):
        _milter(report, line, one)
    for line, one in filters.lines(home, "smtppolicies"):
        _policy(report, line, one)


def _by_name_servers(settings: list[Setting]) -> list[Setting]:
    """The first setting with each value of DNSCACHEIP."""
    return list({one.value("DNSCACHEIP"): one for one in reversed(settings)}.values())


def _resolves(setting: Setting, home: Home) -> bool:
    """Whether a session in this setting asks the DNS about senders, and defers or records if it does not answer."""
    if setting.has("RETURNMXCHECK") or setting.has("DKIMVERIFY"):
        return True
    values = [setting.value(name) if setting.has(name) else home.line(name.lower()) for name in BEHAVIORS]
    return any(leading_number(value, 0) for value in values)


def _name_servers(report: Report, setting: Setting) -> None:
    """Ask each name server for itself: of several, those that do not answer only make sessions slow."""
    from ..net.nameservers import RESOLV_CONF, nameservers
    from ..net.resolver import Resolver

    troubles = {}
    try:
        for _, (host, port, *_) in (servers := nameservers(setting.env)):
            one = {b"DNSCACHEIP": f"[{host}]:{port}".encode()}
            troubles[f"{host}:{port}"] = Resolver(one, TIMEOUT / len(servers)).ask(NO_NAME, "A").trouble
    except OSError as error:
        report.error(RESOLV_CONF, str(error.strerror))
    tell = report.error if all(troubles.values()) else report.warning
    for name, trouble in troubles.items():
        text = f"the name server {name} does not answer: {trouble}"
        if trouble and setting.has("DNSCACHEIP"):
            tell(setting.file, f"DNSCACHEIP: {text}", setting.line)
        elif trouble:
            tell(RESOLV_CONF, text)


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
            if directory.referred:
                text = f"{server} refers to other servers for a part of this base, so unknown addresses are deferred"
                report.warning("control/ldapbasedn", f"{text}; use a lower base or, with Active Directory, port 3268")
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
