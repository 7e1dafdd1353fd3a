"""A site's own checkers, which are imported and set up here, its plugins, and the files of POP before SMTP."""

from __future__ import annotations

import os
import subprocess
import sys

from ..control.config import Config
from ..control.files import ControlError, open_regular, reason
from ..pbs import settings as pbs
from ..programs.spp import SHELL, BadPluginLine, read_sections
from ..session.sitecheckers import CheckerUnusable, site_checker
from .findings import Report, shown
from .home import Home, program_trouble
from .settings import Setting

SHELL_TIMEOUT = 10  # seconds for the shell to parse a command


def judge(report: Report, home: Home, config: Config | None) -> None:
    if config is not None:
        _checkers(report, home, config)
    _plugins(report, "control/smtpplugins", home.read("smtpplugins") or b"")
    _pop_before_smtp(report, home)


def judge_setting(report: Report, setting: Setting) -> None:
    """The file of plugins that this setting chooses."""
    path = setting.value("SPPCONFFILE")
    if not setting.sets("SPPCONFFILE") or not path:
        return
    try:
        with open_regular(path) as file:
            _plugins(report, shown(path), file.read())
    except OSError as error:
        setting.error(report, f"SPPCONFFILE={shown(path)}: {shown(reason(error))}; every session gets 421")


def _checkers(report: Report, home: Home, config: Config) -> None:
    """Load each as a session does: one that cannot be loaded defers every mail."""
    entries = home.entries("smtpcheckers")
    if entries:
        sys.dont_write_bytecode = True  # loading them must not write files
    for line, entry in entries:
        try:
            site_checker(entry, config)
        except ControlError as trouble:
            report.unusable(trouble)
        except CheckerUnusable as error:
            text = f"{shown(entry)} cannot be loaded: {shown(error.args[0])}; every MAIL gets 451"
            report.error("control/smtpcheckers", text, line)


def _plugins(report: Report, path: str, listed: bytes) -> None:
    try:
        sections = read_sections(listed, path.encode())
    except BadPluginLine as error:
        text = shown(error.args[0])
        line, _, rest = text.removeprefix("line ").partition(": ")
        number = int(line) if text.startswith("line ") and line.isdigit() else 0
        report.error(path, f"{rest if number else text}; every session gets 421", number)
        return
    for plugin in (one for plugins in sections.values() for one in plugins):
        command = plugin.line.startswith(b":")
        trouble = _syntax_trouble(plugin.line[1:]) if command else program_trouble(plugin.line)
        if trouble:
            place = int(plugin.place.rpartition(b":")[2])
            follows = "so it refuses nothing" if command else "its command gets 451"
            report.error(path, f"{shown(plugin.line)} {trouble}; {follows}", place)


def _syntax_trouble(command: bytes) -> str:
    """What is wrong with the syntax of a command, "" if nothing is. The shell parses it and does not run it."""
    argv = [os.fsdecode(SHELL), "-n", "-c", os.fsdecode(command)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=SHELL_TIMEOUT, check=False)
    said = done.stderr.strip().rpartition(b"\n")[2]
    return f"cannot be parsed by {argv[0]}: {shown(said)}" if done.returncode else ""


def _pop_before_smtp(report: Report, home: Home) -> None:
    steps = []
    if home.has("pbsservers"):
        steps = [pbs.servers, pbs.port, pbs.variables]
    if home.has("pbssecret"):
        steps.append(pbs.secret)
    for step in steps:
        try:
            step(home.control)
        except ControlError as trouble:
            if os.access(trouble.path, os.R_OK):  # otherwise reported by controls.py
                report.unusable(trouble)
