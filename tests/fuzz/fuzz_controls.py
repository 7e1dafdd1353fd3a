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
    for count, _ in enumerate(tcprules.parse(data)):
        if count > 1000:
            break  # one line can stand for very many


def plugins(data: bytes) -> None:
    read_sections(data, b"control/smtpplugins")
