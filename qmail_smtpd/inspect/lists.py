"""The list files, line by line: entries that can never match, and entries that contradict others."""

from __future__ import annotations

from ..checkers.dnsbl import counts
from ..control.catalogue import FILES
from ..directory.settings import trouble, uri
from ..session.spelling import nearest
from ..smtp import ip
from ..smtp.address import split
from .findings import Report, shown
from .home import Home
from .publiclists import names

ADDRESSES = ("badmailfrom", "badmailfrom-unknown", "goodmailfrom", "relaymailfrom", "badrcptto", "goodmailaddr")
DOMAINS = ("locals", "rcpthosts", "morercpthosts")


def judge(report: Report, home: Home) -> None:
    for name, known in FILES.items():
        if known.kind == "list":
            _lines(report, home, name)
    for name in ADDRESSES:
        for line, entry in home.entries(name):
            _address(report, name, line, entry)
    for name in DOMAINS:
        for line, entry in home.entries(name):
            _domain(report, name, line, entry)
    _patterns(report, home)
    _rbllist(report, home)
    _between_lists(report, home)
    for line, entry in home.entries("ldapserver"):
        for wrong in filter(None, (trouble(uri(word)) for word in entry.split())):
            report.error("control/ldapserver", shown(wrong.encode()), line)
    for line, entry in home.entries("aliasdomains"):
        alias, _, real = entry.partition(b":")
        if not alias.strip() or not real.strip():
            report.error("control/aliasdomains", f"{shown(entry)} has no effect: write ALIAS:REAL", line)


def _lines(report: Report, home: Home, name: str) -> None:
    """What no list file should have."""
    path = f"control/{name}"
    text = home.read(name) or b""
    if text.startswith(b"\xef\xbb\xbf"):
        report.error(path, "begins with a byte order mark, which counts as part of the entry: remove it", 1)
    if b"\0" in text:
        line = text[: text.index(b"\0")].count(b"\n") + 1
        report.warning(path, "a NUL: the rest of the line is not read", line)
    for line, entry in home.entries(name):
        if entry.startswith((b" ", b"\t")):
            report.error(path, "begins with a blank, which counts as part of the entry: remove it", line)


def _address(report: Report, name: str, line: int, entry: bytes) -> None:
    path, (user, domain) = f"control/{name}", split(entry)
    if entry.startswith((b" ", b"\t")) or entry.endswith(b"\r"):
        return
    if domain is None:
        report.warning(path, f'"{shown(entry)}" is only that address without a domain; "@{shown(entry)}"?', line)
    elif domain == b"" and name == "relaymailfrom":
        report.error(path, f"{shown(entry)} never matches: user@ is no form of this list", line)
    elif b"*" in user or b"*" in domain:
        place = "control/badmailpatterns has" if name.startswith("badmail") else "there are none here"
        report.error(path, f"{shown(entry)} is taken literally: for wildcards {place}", line)
    elif domain.startswith(b"."):
        report.error(path, f"{shown(entry)} never matches: a leading dot means nothing in this list", line)


def _domain(report: Report, name: str, line: int, entry: bytes) -> None:
    path = f"control/{name}"
    if entry.startswith((b" ", b"\t")) or entry.endswith(b"\r"):
        return
    if b"@" in entry:
        report.error(path, f"{shown(entry)} never matches: domains stand here, without @", line)
    elif b"*" in entry:
        report.error(path, f"{shown(entry)} never matches: a leading dot covers all below a domain", line)
    elif b" " in entry or b"\t" in entry:
        report.error(path, f"{shown(entry)} never matches: one domain a line", line)
    elif b":" in entry and name != "locals":
        report.error(path, f"{shown(entry)} never matches: write the domain alone", line)
    elif entry.startswith(b".") and name == "locals":
        report.error(path, f"{shown(entry)} never matches: locals are whole domains", line)


def _patterns(report: Report, home: Home) -> None:
    for line, entry in home.entries("badmailpatterns"):
        trouble = pattern_trouble(entry.removeprefix(b"!"))
        if trouble:
            report.error("control/badmailpatterns", f"{shown(entry)}: {trouble}", line)


def pattern_trouble(pattern: bytes) -> str:
    """What is malformed in a wildcard pattern, "" if nothing is."""
    if not pattern:
        return "an empty pattern never matches"
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        if byte == b"\\":
            at += 1
            if at == len(pattern):
                return "a backslash at the end quotes nothing"
        elif byte == b"[":
            first = at + 2 if pattern[at + 1 : at + 2] == b"^" else at + 1
            end = pattern.find(b"]", first + 1)
            if end < 0:
                return "the set [ is never closed and stands for itself: write ] or \\["
            at = end
        at += 1
    return ""


def _rbllist(report: Report, home: Home) -> None:
    path = "control/rbllist"
    for line, entry in home.entries("rbllist"):
        fields = entry.split(None, 3)
        if len(fields) < 4:
            report.error(path, "needs BASE ACTION MATCHON MESSAGE; with RBL set every session gets 421", line)
            continue
        base, action, matchon, _ = fields
        if not _is_domain(base):
            report.error(path, f"{shown(base)} is no domain that could be asked: it lists nobody", line)
        meant = _misspelt(shown(base).lower().removesuffix("."))
        if meant:
            report.warning(path, f"{shown(base)} is no list that is known; {meant} misspelt?", line)
        if action not in (b"addheader", b"reject"):
            report.warning(path, f"the action {shown(action)} counts as reject; known: addheader, reject", line)
        if matchon.lower() != b"any" and not (_is_plain_ip(matchon) and counts(matchon)):
            known = "neither `any` nor one address of 127.0.0.0/8 other than 127.0.0.1"
            report.error(path, f"never matches: MATCHON is {shown(matchon)}, {known}", line)


def _is_plain_ip(matchon: bytes) -> bool:
    """As answers are written: no list of addresses, no mask, no zeros in front."""
    packed = ip.parse(matchon)
    return packed is not None and ip.text(packed) == matchon


def _is_domain(base: bytes) -> bool:
    """A name of several labels that are none of an address; a lone word or an address is no list."""
    labels = base.removesuffix(b".").split(b".")
    known = set(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
    whole = all(label and len(label) < 64 and known.issuperset(label.lower()) for label in labels)
    return whole and len(labels) > 1 and not labels[-1].isdigit()


def _misspelt(base: str) -> str:
    """The public list that this name may have been meant to be, "" for none. Its neighbours are lists too."""
    known = names()
    neighbours = {name.partition(".")[2] for name in known}
    return "" if base.partition(".")[2] in neighbours else nearest(base, known)


def _between_lists(report: Report, home: Home) -> None:
    ours = home.domains("locals", "rcpthosts", "morercpthosts") or {}
    locals_ = home.domains("locals")
    if not home.has("locals"):
        locals_ = {home.line("me").lower(): "control/me:1"}
        ours = {**ours, **locals_}
    for line, entry in home.entries("badrcptto"):
        domain = entry.lower().removeprefix(b"@")
        if domain in locals_:
            text = f"{shown(entry)} refuses all mail for a domain of {locals_[domain]}; one of them is wrong"
            report.error("control/badrcptto", text, line)
    for line, entry in home.entries("relaymailfrom"):
        domain = split(entry)[1] or b""
        where = covering(domain.lower(), ours)
        if where:
            text = f"{shown(entry)}: anybody can write this sender of ours ({where}): an open relay"
            report.error("control/relaymailfrom", text, line)
    refused = home.domains("badmailfrom", "badmailfrom-unknown")
    for line, entry in home.entries("goodmailfrom"):
        if entry.lower() in refused:
            text = f"{shown(entry)} excuses what {refused[entry.lower()]} refuses: the latter has no effect"
            report.warning("control/goodmailfrom", text, line)


def covering(domain: bytes, listed: dict[bytes, str]) -> str:
    """Where a domain, or a suffix of it that begins with a dot, is listed; "" if nowhere."""
    while domain:
        if domain in listed:
            return listed[domain]
        dot = domain.find(b".", 1)
        domain = domain[dot:] if dot > 0 else b""
    return ""
