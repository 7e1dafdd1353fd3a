"""What each step of the start-up is worth: copies of the program, each without one step, beside the whole.

The copies differ in the launcher or in a line of the package; a line that is not there any more ends the bench, so
that no figure outlives what it is about.
"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

from measure import interleaved, run
from place import CLIENT, INTERPRETER, Place, body, talk
from scale import Scale
from table import Row, compared

from tests.support.processes import BIN, ROOT

# The ordinary way in, as it would be without the bundle; the rest of start.py stays.
ORDINARY = """#!{interpreter} {options}
import sys
import gc
gc.disable()
sys.path.insert(0, {folder!r})
{more}
from qmail_smtpd.main import main
gc.freeze()
gc.enable()
main()
"""
EAGER = "import qmail_smtpd.net.tls, qmail_smtpd.session.auth, qmail_smtpd.net.rbllist, qmail_smtpd.checkers.verify"
# What posix.posix_spawn in process.py would be without it.
FORK = """

def _fork_and_exec(path, argv, env, *, file_actions, setsigmask, setsigdef):
    pid = posix.fork()
    if pid == 0:
        try:
            for _, old, new in file_actions:
                posix.dup2(old, new)
            posix.execve(path, argv, env)
        finally:
            posix._exit(120)
    return pid
"""


def rows(place: Place, scale: Scale) -> list[Row]:
    """A session without a step, against the session with all of them."""
    said = place.file("steps-session", talk(body(1024)))
    made = {
        "whole": _copy(place, "whole"),
        "modules one by one": _ordinary(place, "ordinary"),
        "modules one by one, no byte-code": _ordinary(place, "source", options="-ISB"),
        "everything imported at start (TLS, AUTH, DNS)": _ordinary(place, "eager", more=EAGER),
        "with site (no -S)": _launched(place, "site", "-I"),
        "with site and environment (no -I -S)": _launched(place, "open", ""),
        "collector untouched": without_gc_calls(place),
        "queue by fork and exec": _forking(place),
    }
    env = place.env(**CLIENT)
    costs = interleaved(scale.rounds(100), {name: partial(run, [path], env, said) for name, path in made.items()})
    whole = costs.pop("whole")
    return [compared(f"session, {name}", "session as it is", cost, whole) for name, cost in costs.items()]


def _copy(place: Place, name: str) -> str:
    """A copy of the program and its package; the path of the program."""
    folder = place.path / "steps" / name
    shutil.copytree(ROOT / "qmail_smtpd", folder / "qmail_smtpd", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "bin").mkdir()
    shutil.copy2(BIN / "qmail-smtpd", folder / "bin")
    (folder / ".venv").symlink_to(ROOT / ".venv")  # thirdparty.py looks there
    return str(folder / "bin/qmail-smtpd")


def _ordinary(place: Place, name: str, *, options: str = "-IS", more: str = "") -> str:
    launcher = Path(_copy(place, name))
    folder = str(launcher.parent.parent)
    launcher.write_text(ORDINARY.format(interpreter=INTERPRETER, options=options, folder=folder, more=more))
    return str(launcher)


def _launched(place: Place, name: str, options: str) -> str:
    launcher = _copy(place, name)
    _edit(Path(launcher), {f"#!{INTERPRETER} -IS\n": f"#!{INTERPRETER} {options}".rstrip() + "\n"})
    return launcher


def without_gc_calls(place: Place, name: str = "collector") -> str:
    """A program that leaves the collector as it finds it, also in the resident mode."""
    launcher = _copy(place, name)
    package = Path(launcher).parent.parent / "qmail_smtpd"
    _edit(package / "start.py", {f"gc.{call}()": "pass" for call in ("disable", "freeze", "enable")})
    _edit(package / "resident" / "server.py", {f"gc.{call}()": "pass" for call in ("collect", "freeze")})
    return launcher


def _forking(place: Place) -> str:
    launcher = _copy(place, "fork")
    process = Path(launcher).parent.parent / "qmail_smtpd/programs/process.py"
    _edit(process, {"posix.posix_spawn(": "_fork_and_exec("})
    process.write_text(process.read_text() + FORK)
    return launcher


def _edit(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in changes.items():
        if old not in text:
            sys.exit(f"bench/steps.py: {path.name} has no {old!r}")
        text = text.replace(old, new)
    path.write_text(text)
