"""The constant databases: whether they are intact, in lower case, and as new as the text that they are made of."""

from __future__ import annotations

import os

from ..control.cdb import Corrupt
from .cdbfile import records
from .findings import Report, shown
from .home import Home

# Database, text, and the command that makes the one of the other.
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
            _content(report, database, made_by)
    if home.has("morercpthosts") and not home.has("morercpthosts.cdb"):
        report.error("control/morercpthosts", "has no effect until it is made into a database: run bin/qmail-newmrh")
    if home.has("rcpthosts.cdb") and home.has("morercpthosts.cdb"):
        report.warning("control/morercpthosts.cdb", "has no effect: rcpthosts.cdb replaces it")


def judge_age(report: Report, database: str, text: str, made_by: str) -> None:
    """Whether a database is older than its text; `made_by` is the command that makes it."""
    try:
        if os.stat(database).st_mtime_ns < os.stat(text).st_mtime_ns:
            report.warning(database, f"is older than {text}, whose changes have no effect yet: run {made_by}")
    except OSError:
        pass  # without one of them there is nothing to compare


def _content(report: Report, database: str, made_by: str) -> None:
    try:
        with open(database, "rb") as file:
            keys = [key for key, _ in records(file.read())]
    except OSError:
        return  # reported by controls.py
    except Corrupt as error:
        report.error(database, f"corrupt constant database ({error}): make it again, run {made_by}")
        return
    if not database.startswith("control/"):
        return
    for key in keys:
        if key != key.lower():
            report.error(database, f"{shown(key)} never matches: keys are looked up in lower case; use bin/qmail-cdb")
        elif key != key.strip() or b"@" in key:
            report.error(database, f'"{shown(key)}" never matches: write domains, without blanks and @')
