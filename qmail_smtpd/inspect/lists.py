"""The list files, line by line: entries that never match, and entries that contradict others."""

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
SEPARATORS = (b" ", b"\t", b",", b";")  # in no domain
DISPUTED = frozenset("\u00df\u03c2\u200c\u200d")


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
    """Mistakes that can be in any list file."""
    path = f"control/{name}"
    text = home.read(name) or b""
    if text.startswith(b"\xef\xbb\xbf"):
        report.error(path, "begins with a byte order mark, which counts as part of the entry: remove it", 1)
    if b"\0" in text:
        line = text[: text.index(b"\0")].count(b"\n") + 1
        report.warning(path, "contains a NUL: the rest of the line is ignored", line)
    for line, entry in home.entries(name):
        if entry.startswith((b" ", b"\t")):
            report.error(path, "begins with a blank, which counts as part of the entry: remove it", line)


def _address(report: Report, name: str, line: int, entry: bytes) -> None:
    path, (user, domain) = f"control/{name}", split(entry)
    if entry.startswith((b" ", b"\t")):
        return  # reported by _lines
    if domain is None:
        text = f'"{shown(entry)}" matches only this address without a domain; did you mean "@{shown(entry)}"?'
        report.warning(path, text, line)
    elif domain == b"" and name == "relaymailfrom":
        report.error(path, f"{shown(entry)} never matches: this list has no entries of the form user@", line)
    elif b"*" in user or b"*" in domain:
        instead = "write it into control/badmailpatterns" if name.startswith("badmail") else "remove it"
        report.error(path, f"{shown(entry)} never matches, since this list has no wildcards: {instead}", line)
    elif domain.startswith(b"."):
        report.error(path, f"{shown(entry)} never matches: this list has no entries for subdomains", line)
    elif entry.startswith(b"<") or entry.endswith(b">"):
        report.error(path, f"{shown(entry)} never matches: write the address without < and >", line)
    elif any(mark in (entry if b"@" in user else domain) for mark in SEPARATORS):
        report.error(path, f"{shown(entry)} never matches: write one address per line", line)
    else:
        _spelling(report, path, line, domain)


def _domain(report: Report, name: str, line: int, entry: bytes) -> None:
    path = f"control/{name}"
    if entry.startswith((b" ", b"\t")):
        return  # reported by _lines
    if b"@" in entry:
        report.error(path, f"{shown(entry)} never matches: write the domain, without @", line)
    elif b"*" in entry:
        report.error(path, f"{shown(entry)} never matches: write .DOMAIN for all subdomains of DOMAIN", line)
    elif any(mark in entry for mark in SEPARATORS):
        report.error(path, f"{shown(entry)} never matches: write one domain per line", line)
    elif b":" in entry and name != "locals":
        report.error(path, f"{shown(entry)} never matches: write the domain alone", line)
    elif entry.startswith(b".") and name == "locals":
        report.error(path, f"{shown(entry)} never matches: locals has no entries for subdomains", line)
    else:
        _spelling(report, path, line, entry)


def _spelling(report: Report, path: str, line: int, domain: bytes) -> None:
    """Domains that clients do not write like this."""
    if domain.endswith(b".") or b".." in domain:
        text = f"{shown(domain)} matches only with exactly these dots: remove the one that is too many"
        report.warning(path, text, line)
    elif not domain.isascii():
        report.warning(path, f"{shown(domain)} is not ASCII: in mail it is {_in_ascii(domain)}, so write that", line)


def _in_ascii(domain: bytes) -> str:
    """A domain as it stands in the DNS. Names with a letter that the versions of IDNA convert differently are left to
    the administrator."""
    try:
        text = domain.decode()
        return "xn--..." if set(text) & DISPUTED else text.encode("idna").decode()
    except UnicodeError:
        return "xn--..."


def _patterns(report: Report, home: Home) -> None:
    for line, entry in home.entries("badmailpatterns"):
        trouble = pattern_trouble(entry.removeprefix(b"!"))
        if trouble:
            report.error("control/badmailpatterns", f"{shown(entry)}: {trouble}", line)


def pattern_trouble(pattern: bytes) -> str:
    """What is wrong with a wildcard pattern, "" if nothing is."""
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
                return "the set [ is never closed, so [ is literal: write ] or \\["
            at = end
        at += 1
    return ""


def _rbllist(report: Report, home: Home) -> None:
    path = "control/rbllist"
    for line, entry in home.entries("rbllist"):
        fields = entry.split(None, 3)
        if len(fields) < 4:
            report.error(path, "write BASE ACTION MATCHON MESSAGE; with RBL set every session gets 421", line)
            continue
        base, action, matchon, _ = fields
        if not _is_domain(base):
            report.error(path, f"{shown(base)} is no domain of a DNS list, so no client is ever listed", line)
        meant = _misspelt(shown(base).lower().removesuffix("."))
        if meant:
            report.warning(path, f"{shown(base)} is no known list; did you mean {meant}?", line)
        if action not in (b"addheader", b"reject"):
            report.warning(path, f"the action {shown(action)} counts as reject; known: addheader, reject", line)
        if matchon.lower() != b"any" and not (ip.canonical(matchon) == matchon and counts(matchon)):
            known = "neither `any` nor one address in 127.0.0.0/8 other than 127.0.0.1"
            report.error(path, f"never matches: MATCHON is {shown(matchon)}, {known}", line)


def _is_domain(base: bytes) -> bool:
    """Whether it is a domain name of several labels, and no IP address."""
    labels = base.removesuffix(b".").split(b".")
    known = set(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
    whole = all(label and len(label) < 64 and known.issuperset(label.lower()) for label in labels)
    return whole and len(labels) > 1 and not labels[-1].isdigit()


def _misspelt(base: str) -> str:
    """The public list whose name is nearly this one, "" for none. A name in the domain of a known list counts as
    known: providers have several lists."""
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
            text = f"{shown(entry)} refuses all mail for a domain in {locals_[domain]}: remove one of the two"
            report.error("control/badrcptto", text, line)
    for line, entry in home.entries("relaymailfrom"):
        domain = split(entry)[1] or b""
        where = covering(domain.lower(), ours)
        if where:
            text = f"{shown(entry)}: anybody can use this sender, of a domain in {where}: an open relay; remove it"
            report.error("control/relaymailfrom", text, line)
    refused = home.domains("badmailfrom", "badmailfrom-unknown")
    for line, entry in home.entries("goodmailfrom"):
        if entry.lower() in refused:
            text = f"{shown(entry)} exempts what {refused[entry.lower()]} refuses, which has no effect then"
            report.warning("control/goodmailfrom", text, line)


def covering(domain: bytes, listed: dict[bytes, str]) -> str:
    """The place of a domain, or of a suffix of it that begins with a dot, in a list; "" if it is not listed."""
    while domain:
        if domain in listed:
            return listed[domain]
        dot = domain.find(b".", 1)
        domain = domain[dot:] if dot > 0 else b""
    return ""
