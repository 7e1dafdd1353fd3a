"""A site's own checkers: control/smtpcheckers, one `dotted.module [arguments]` per line.

    load(config, log)               all of them, in file order; raises ControlError
    site_checker(entry, config)     that of one line; raises CheckerUnusable, which says what is wrong and where

A checker that cannot be used makes every MAIL and RCPT a 451, since it was meant to refuse something. That is one that
cannot be loaded, one that other users could have changed (guard.py), or one whose hooks are misspelt (hooknames.py).

In a process that serves many sessions a site's modules stay loaded, with their global variables, until one of their
files changes or a session has another home. Then all of them are unloaded, and loaded again when they are needed.
"""

from __future__ import annotations

import posix
import sys

from ..control.files import ControlError
from ..control.kept import are_settled, stamp
from ..programs.process import end_unless
from ..smtp import replies
from . import guard
from .hooknames import misspelt
from .hooks import Checker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..control.config import Config
    from ..control.kept import Stamp
    from ..logs.log import Log
    from ..smtp.events import Event
    from ..smtp.replies import Reply
    from .facts import Session

# A site's modules by name: the file, and its stamp, None if a change might not show in it.
_known: dict[str, tuple[str, Stamp | None]] = {}
have_run = False  # whether code of a site has run in this process
_OURS = __name__.partition(".")[0] + "."  # what the names of our own modules begin with


def load(config: Config, log: Log) -> list[Checker]:
    """The checkers of control/smtpcheckers, a Broken in place of each that cannot be used. Raises ControlError."""
    listed = config.files["smtpcheckers"]
    found: list[Checker] = []
    home = posix.getcwd()
    _forget_changed(home)
    for entry in listed.entries() if listed else []:
        try:
            checker = site_checker(entry, config)
        except CheckerUnusable as error:
            log.trouble(b"checker ", entry, b" cannot be loaded: ", error.args[0])
            checker = Broken(error.args[0])
        if checker is not None:
            checker.name = (entry.decode("utf-8", "replace").split() or [""])[0]
            found.append(checker)
    _remember(home)
    return found


def _forget_changed(home: str) -> None:
    """Unload all of a site's modules if a file of one of them has, or may have, changed, or belongs to another home."""
    if all(_is_below(place, home) and known is not None and known == stamp(place) for place, known in _known.values()):
        return
    for name in _known:
        sys.modules.pop(name, None)
    _known.clear()
    for folder in [folder for folder in sys.path_importer_cache if _is_below(folder, home)]:
        del sys.path_importer_cache[folder]


def _remember(home: str) -> None:
    """Remember the modules that were loaded from below the home, also those imported by checkers, but not those of
    our own package, which may be there too."""
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        if place and name not in _known and not f"{name}.".startswith(_OURS) and _is_below(place, home):
            known = stamp(place)
            _known[name] = place, known if are_settled([known]) else None


def _is_below(place: str, home: str) -> bool:
    return place.startswith(home + "/") and "/site-packages/" not in place


class CheckerUnusable(Exception):
    """A checker cannot be used; args[0] has file, line and reason, as bytes for the log."""


def site_checker(entry: bytes, config: Config) -> Checker | None:
    """Import and set up the checker in a line of control/smtpcheckers; None if its setup() returns None. Raises
    CheckerUnusable, and ControlError."""
    name, *arguments = entry.decode("utf-8", "surrogateescape").split() or [""]
    pid = posix.getpid()
    try:
        checker = _set_up(name, arguments, config)
        trouble = misspelt(checker) if checker is not None else ""
    except ControlError:
        raise
    except BaseException as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name in (name, name.partition(".")[0])
        trouble = _not_there(name) if missing else f"{_place(error, name)}{type(error).__name__}: {error}"
    finally:
        end_unless(pid)
    if trouble:
        raise CheckerUnusable(trouble.encode(errors="replace"))
    return checker


def _not_there(name: str) -> str:
    if name.endswith(".py"):
        return f"write {name[:-3]} without .py"
    try:
        posix.stat(f"checkers/{name}.py")
    except PermissionError as error:
        return f"checkers/{name}.py: {error.strerror}"
    except OSError:
        pass
    return f"there is no module {name}" if "." in name else f"there is no checkers/{name}.py"


def _set_up(name: str, arguments: list[str], config: Config) -> Checker | None:
    global have_run
    if not name:
        raise ValueError("the line names no module")
    _add_site_path()
    have_run = True
    checker = _import(_site_module(name)).setup(config, *arguments)
    if checker is None or isinstance(checker, Checker):
        return checker
    raise TypeError(f"setup() returned {checker!r}, which is no Checker")


def _place(error: BaseException, name: str) -> str:
    """`FILE:LINE: ` in the site's code: the last line of it in the traceback, else its setup function; "" if none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    place = ""
    step = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith("<") and not step.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
            place = f"{file}:{step.tb_lineno}: "
        step = step.tb_next
    module = sys.modules.get(_site_module(name)) if name else None
    if place or module is None:
        return place
    setup = getattr(getattr(module, "setup", None), "__code__", None)
    return f"{module.__file__}:{setup.co_firstlineno if setup else 1}: "


def _add_site_path() -> None:
    """Import a site's modules from HOME/checkers, HOME, and the third-party packages."""
    from .. import thirdparty

    home = posix.getcwd()
    guard.watch(home)
    for folder in (home + "/checkers", home):
        if folder not in sys.path:
            sys.path.append(folder)
    thirdparty.add_to_path()


def _site_module(name: str) -> str:
    """The module to import for a name: a file in HOME/checkers comes before a module of Python with the same name."""
    try:
        posix.stat(f"checkers/{name}.py")
    except OSError:
        return name
    return f"checkers.{name}"


class Broken(Checker):
    """Takes the place of a checker that cannot be used: 451 to every MAIL and RCPT."""

    def __init__(self, reason: bytes) -> None:
        self._reply = replies.CHECKER_TROUBLE.with_reason(reason)

    def mail(self, session: Session, event: Event) -> Reply:
        return self._reply

    rcpt = mail


def _import(name: str) -> Any:
    """importlib.import_module without importlib's Python part."""
    __import__(name)
    return sys.modules[name]
