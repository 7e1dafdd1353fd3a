"""A checker of a site for a test: HOME/checkers/NAME.py with some hooks, and its line in control/smtpcheckers."""

from __future__ import annotations

from .home import Home

HEADER = """from qmail_smtpd.checker import Checker, accept, defer, hangup, reject
from qmail_smtpd.smtp.replies import Reply
"""
SETUP = "def setup(config, *words):\n    return Site()\n"


def write(home: Home, hooks: str, setup: str = SETUP, name: str = "ours") -> None:
    body = "".join(f"    {line}\n" for line in hooks.strip("\n").splitlines())
    install(home, f"{HEADER}class Site(Checker):\n{body}\n{setup}", name)


def install(home: Home, source: str, name: str) -> None:
    """Its line goes to the end, unless it has one."""
    (home.path / "checkers").mkdir(exist_ok=True)
    (home.path / "checkers" / f"{name}.py").write_text(source)
    listed = home.path / "control" / "smtpcheckers"
    names = listed.read_text().splitlines() if listed.exists() else []
    if name not in names:
        home.control("smtpcheckers", "\n".join([*names, name, ""]))
