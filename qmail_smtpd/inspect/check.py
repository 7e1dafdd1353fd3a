"""bin/qmail-smtpd-check: find mistakes in a qmail home, an environment, and tcpserver's rules (qmail-smtpd-check(8)).

Only reads: nothing is changed, no session is started, and without --online no server is contacted. Exit status: 0 if
nothing was found, 1 for warnings only, 2 for errors, 100 for a wrong command line.
"""

from __future__ import annotations

import argparse
import os
import posix
import sys

from .. import VERSION
from ..control.config import Config
from ..control.config import read as read_config
from ..control.files import DEFAULT_HOME, ControlError, enter_home, home_of
from . import (
    combinations,
    controls,
    databases,
    encryption,
    extensions,
    filters,
    foreign,
    limits,
    lists,
    memory,
    modes,
    online,
    packages,
    places,
    queues,
    relay,
    senders,
    settings,
    variables,
)
from .asker import become
from .findings import Report
from .home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .settings import Setting

WRONG_USAGE = 100


class Parser(argparse.ArgumentParser):
    """A parser that exits with WRONG_USAGE, since 2, argparse's own status, means that errors were found."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description)
        self.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"{self.prog}: {message}; try {self.prog} --help\n")


def main() -> int:
    """The program. Returns its exit code."""
    parser = Parser(prog="qmail-smtpd-check", description="Look for mistakes in a qmail home and its environment.")
    parser.add_argument("--home", help=f"the qmail home (default: $QMAILHOME, else {os.fsdecode(DEFAULT_HOME)})")
    parser.add_argument("--rules", metavar="FILE", help="tcpserver's rules, text or cdb (default: $TCPRULES)")
    parser.add_argument("--user", metavar="NAME", help="look as the user who runs the receiver (needs root)")
    parser.add_argument(
        "--online", action="store_true", help="also ask LDAP servers, DNS lists, milters and policy servers"
    )
    parser.add_argument("--json", action="store_true", help="a list of objects instead of lines")
    arguments = parser.parse_args()
    trouble = become(arguments.user) if arguments.user else ""
    if trouble:
        parser.error(trouble)
    report = Report()
    env = environment(arguments.home)
    rules = rules_file(arguments.rules, env)
    try:
        enter_home(env)
    except ControlError as error:
        report.unusable(error)
    else:
        inspect(report, env, rules, arguments.online)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout.write(report.text(arguments.json))
    return report.status()


def environment(home: str | None) -> dict[bytes, bytes]:
    """Our own environment, with QMAILHOME set to `home` if that is given: an absolute path, since the programs that are
    started run in the home."""
    env = dict(posix.environ)
    env[b"QMAILHOME"] = os.path.abspath(os.fsencode(home) if home else home_of(env))
    return env


def rules_file(named: str | None, env: dict[bytes, bytes]) -> str:
    """The path of the rules, "" for none. That of the command line is relative to the working directory, that of
    TCPRULES to the home."""
    return os.path.abspath(named) if named else os.fsdecode(env.get(b"TCPRULES", b""))


def inspect(report: Report, env: dict[bytes, bytes], rules: str, ask: bool) -> None:
    """Run all checks of this package on the home that is the working directory. `ask`: --online."""
    home = Home()
    for judge in (controls.judge, lists.judge, senders.judge, filters.judge, databases.judge):
        judge(report, home)
    plain = settings.plain(env)
    ruled = settings.of_rules(report, rules, env) if rules else []
    if rules.endswith(".cdb"):
        text = rules.removesuffix(".cdb")
        databases.judge_age(report, rules, text, f"tcprules {rules} {text}.tmp < {text}")
    _setting(report, plain, ruled, home)
    for setting in ruled:
        _setting(report, setting, [], home)
    config = _config(env)
    places.judge(report, home, config)
    extensions.judge(report, home, config)
    if config is not None:
        encryption.judge_home(report, home, config)
    packages.judge(report)
    for judge_all in (relay.judge, foreign.judge, memory.judge, limits.judge, modes.judge):
        judge_all(report, [plain, *ruled], home)
    if ask:
        online.judge(report, [plain, *ruled], home)


def _setting(report: Report, setting: Setting, others: list[Setting], home: Home) -> None:
    """The checks of one environment. `others`: for the plain one those of the rules, which are added to it."""
    variables.judge(report, setting, home)
    combinations.judge(report, setting, others, home)
    queues.judge(report, setting)
    senders.judge_setting(report, setting, others, home)
    filters.judge_setting(report, setting, home)
    extensions.judge_setting(report, setting)
    config = _config(setting.env) if setting.address is None or setting.sets("SSLCERT") else None
    if config is not None:
        encryption.judge(report, setting, home, config)


def _config(env: dict[bytes, bytes]) -> Config | None:
    """The configuration of a session in this environment; None if it would get 421, which is reported elsewhere."""
    try:
        return read_config(dict(env))
    except ControlError:
        return None
