"""Sender authentication: the files of SPF that make no sense (SPEC section 17)."""

from __future__ import annotations

from ..mailauth.spf_macros import SyntaxTrouble, parse_explanation
from ..mailauth.spf_record import parse_rules
from .findings import Report, shown
from .home import Home

READERS = {"spfrules": parse_rules, "spfexp": parse_explanation}


def judge(report: Report, home: Home) -> None:
    for name, read in READERS.items():
        try:
            read(home.line(name))
        except SyntaxTrouble as trouble:
            text = f"{shown(str(trouble).encode())}; every session that asks for SPF gets 421"
            report.error(f"control/{name}", text, 1)
