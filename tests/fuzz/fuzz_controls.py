"""Fuzz the formats of control files: lists, addresses in them, patterns, filters, plugins and rules."""

from __future__ import annotations

from qmail_smtpd.checkers._wildcards import compile_pattern, matches
from qmail_smtpd.control import tcprules
from qmail_smtpd.control.cdb import Corrupt
from qmail_smtpd.control.files import first_line, list_lines
from qmail_smtpd.inspect.cdbfile import records
from qmail_smtpd.programs.spp import BadPluginLine, read_sections


def one_input(data: bytes) -> None:
    first_line(data)
    for line in list_lines(data):
        matches(compile_pattern(line), line)
    for read, trouble in ((rules, tcprules.Malformed), (plugins, BadPluginLine), (records, Corrupt)):
        try:
            read(data)
        except trouble:
            pass


def rules(data: bytes) -> None:
    listed = tcprules.Listed(data)
    for number, line in enumerate(data.split(b"\n"), 1):
        for rule in tcprules.parse_line(line, number)[:2]:
            assert listed.find(rule.address) is not None


def plugins(data: bytes) -> None:
    read_sections(data, b"control/smtpplugins")
