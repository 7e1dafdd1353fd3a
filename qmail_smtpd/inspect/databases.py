"""The constant databases: whole, of lower-case keys, and as new as the text they are made from."""

from __future__ import annotations

import os

from .cdbfile import Corrupt, records
from .findings import Report, shown
from .home import Home

# Database, text, and how the one is made from the other.
PAIRS = (
    ("control/locals.cdb", "control/locals", "bin/qmail-cdb control/locals.cdb control/locals.tmp < control/locals"),
    (
        "control/rcpthosts.cdb",
        "control/rcpthosts",
        "bin/qmail-cdb control/rcpthosts.cdb control/rcpthosts.tmp < control/rcpthosts",
    ),
    ("control/morercpthosts.cdb", "control/morercpthosts", "bin/qmail-newmrh"),
    ("users/cdb", "users/assign", "qmail-newu"),
)


def judge(report: Report, home: Home) -> None:
    for database, text, made_by in PAIRS:
        judge_age(report, database, text, made_by)
        if os.path.isfile(database):
            _content(report, database)
    if home.has("morercpthosts") and not home.has("morercpthosts.cdb"):
        report.error("control/morercpthosts", "is read by nobody until it is a database: run bin/qmail-newmrh")
    if home.has("rcpthosts.cdb") and home.has("morercpthosts.cdb"):
        report.warning("control/morercpthosts.cdb", "has no effect: rcpthosts.cdb replaces it")


def judge_age(report: Report, database: str, text: str, made_by: str) -> None:
    try:
        if os.stat(database).st_mtime_ns < os.stat(text).st_mtime_ns:
            report.warning(database, f"is older than {text}, whose changes have no effect yet: {made_by}")
    except OSError:
        pass  # without one of them there is nothing to compare


def _content(report: Report, database: str) -> None:
    try:
        with open(database, "rb") as file:
            keys = [key for key, _ in records(file.read())]
    except OSError:
        return  # told by controls.py
    except Corrupt as error:
        report.error(database, f"corrupt constant database ({error}): make it anew")
        return
    if not database.startswith("control/"):
        return
    for key in keys:
        if key != key.lower():
            report.error(database, f"{shown(key)} never matches: keys are looked up in lower case; use bin/qmail-cdb")
        elif key != key.strip() or b"@" in key:
            report.error(database, f'"{shown(key)}" never matches: domains stand here, without blanks and @')
