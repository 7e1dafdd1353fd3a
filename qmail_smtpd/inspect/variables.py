"""Each variable by itself: whether it is known, and whether its value is likely to be what was intended."""

from __future__ import annotations

from ..checkers import ORDER, SITE
from ..control.catalogue import VARIABLES
from ..control.config import names_in
from ..session.spelling import distance, nearest
from ..smtp.numbers import leading_number
from . import filters
from .findings import Report, shown
from .home import Home
from .others import known as of_others
from .settings import HERE, Setting

# Variables that shells and super-servers set and whose names are similar to some of ours.
_ORDINARY = "HOME HOST HOSTNAME LANG LOGNAME MAIL MAILCHECK MAILPATH MAILTO PATH PWD RBLSMTPD SHELL TERM TMP USER"
ORDINARY = frozenset(_ORDINARY.split())
NO_WORDS = (b"0", b"-", b"no", b"off", b"false", b"none", b"disabled")
YES_WORDS = (b"1", b"yes", b"on", b"true", b"enabled")


def judge(report: Report, setting: Setting, home: Home) -> None:
    for name, value in setting.own.items():
        text = name.decode("latin1")
        if text not in VARIABLES:
            _unknown(report, setting, text)
        else:
            _value(report, setting, text, value)
    _relayclient(report, setting)
    _shadow(report, setting, home)
    _dnscacheip(report, setting)


def _unknown(report: Report, setting: Setting, name: str) -> None:
    if of_others(name) is not None:
        return  # reported by foreign.py
    ordinary = name in ORDINARY or name.startswith("TCP6")  # those of ucspi-tcp-ipv6
    meant = "" if ordinary else nearest(name, VARIABLES)
    if name.strip() in VARIABLES:
        setting.error(report, f"blanks are part of the name: remove them before or after {name.strip()}")
    elif meant:
        setting.error(report, f"{shown(name.encode('latin1'))} is read by no program; did you mean {meant}?")
    elif not name:
        setting.error(report, "a variable without a name")
    elif setting.file != HERE and not ordinary:
        text = f"{shown(name.encode('latin1'))} is read by no program of ours; is it for one of your own?"
        setting.warning(report, text)


def _value(report: Report, setting: Setting, name: str, value: bytes) -> None:
    known = VARIABLES[name]
    if known.kind == "ours" and setting.file != HERE:
        setting.warning(report, f"{name} is set by the programs themselves: remove it")
    elif known.kind == "number":
        _number(report, setting, name, value)
    elif known.kind == "switch" and value.lower() in NO_WORDS:
        setting.warning(report, f"{name}={shown(value)} switches it on: it counts as set with any value; remove it")
    elif known.kind == "words" and value:
        _word(report, setting, name, value)


def _number(report: Report, setting: Setting, name: str, value: bytes) -> None:
    if value and leading_number(value, -1) < 0:
        setting.error(report, f"{name}={shown(value)} is no number and counts as 0")
    elif value and not value.isdigit():
        number = leading_number(value, 0)
        setting.warning(report, f"{name}={shown(value)} counts as {number}: what follows the digits is ignored")


def _word(report: Report, setting: Setting, name: str, value: bytes) -> None:
    words = VARIABLES[name].words
    text = value.decode("latin1")
    if text.upper() in (word.upper() for word in words):
        return
    choice = " or ".join(words)
    meant = min(words, key=lambda word: distance(text.upper(), word.upper()))
    if len(meant) > 2 and distance(text.upper(), meant.upper()) <= 2:
        setting.error(report, f"{name}={shown(value)} is not understood; did you mean {meant}?")
    elif value.lower() in NO_WORDS and name != "SMTPS":
        setting.warning(report, f"{name}={shown(value)} does not switch it off: remove it")
    elif name == "SMTPS":
        setting.error(report, f"{name}={shown(value)} has no effect: write SMTPS=1")
    elif value.lower() not in YES_WORDS:
        setting.warning(report, f"{name}={shown(value)} is not understood and counts as empty; known: {choice}")


def _relayclient(report: Report, setting: Setting) -> None:
    value = setting.own.get(b"RELAYCLIENT", b"")
    if value.lower() in (*NO_WORDS, *YES_WORDS):
        text = f'"{shown(value)}" is appended to every recipient; write RELAYCLIENT=""'
        setting.error(report, f"RELAYCLIENT={shown(value)}: {text}")


def _shadow(report: Report, setting: Setting, home: Home) -> None:
    if not setting.sets("SHADOW"):
        return
    names = [name for name, _ in ORDER if name not in (SITE, "milters")] + filters.names(home)
    names += [entry.split()[0].decode("latin1") for _, entry in home.entries("smtpcheckers") if entry.split()]
    for word in names_in(setting.value("SHADOW")):
        if word == b"rcpthosts":
            text = "SHADOW: rcpthosts has no effect here: a recipient that no check accepts is refused anyway"
            setting.error(report, text)
        elif word.decode("latin1") not in names:
            meant = nearest(word.decode("latin1"), names)
            hint = f"did you mean {meant}?" if meant else "for the names see qmail-smtpd-checkers(7)"
            setting.error(report, f"SHADOW: there is no check {shown(word)}; {hint}")
    if leading_number(setting.value("LOGLEVEL"), 0) < 1:
        setting.warning(report, "SHADOW without LOGLEVEL: what would be refused is not logged; set LOGLEVEL=1 or more")


def _dnscacheip(report: Report, setting: Setting) -> None:
    if not setting.sets("DNSCACHEIP"):
        return
    from ..net.nameservers import server

    value = setting.value("DNSCACHEIP")
    if not all(map(server, value.split())):
        setting.error(report, f"DNSCACHEIP={shown(value)}: words other than IP, IP:PORT or [IPv6]:PORT are ignored")
