"""The checkers of a site: control/smtpcheckers, `dotted.module [arguments]` a line.

    load(config, log)               all of them, in file order, named
    site_checker(entry, config)     what one line names; raises Unusable, which says where the fault is

One that cannot be used defers everything (451): the site meant it to refuse something. That is one that cannot be
loaded, one that others than root and we could have changed (guard.py), one that would never be asked (hooknames.py).

In a process that serves many sessions a site's modules stay in memory, with their globals, until a file of one of them
changes or a session has another home: then all of them are forgotten, and loaded when they are next named.
"""

from __future__ import annotations

import posix
import sys

from ..control.files import ControlError
from ..control.kept import are_settled, stamp
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

_known: dict[str, tuple[str, Stamp | None]] = {}  # modules of a site: where they are, and their stamp if it can tell
_OURS = __file__.rpartition("/session/")[0] + "/"


def load(config: Config, log: Log) -> list[Checker]:
    """The checkers of control/smtpcheckers; a broken one stands for each that cannot be loaded. Raises ControlError."""
    listed = config.files["smtpcheckers"]
    found: list[Checker] = []
    home = posix.getcwd()
    _forget_changed(home)
    for entry in listed.entries() if listed else []:
        try:
            checker = site_checker(entry, config)
        except Unusable as error:
            log.trouble(b"checker ", entry, b" cannot be loaded: ", error.args[0])
            checker = Broken(error.args[0])
        if checker is not None:
            checker.name = (entry.decode("utf-8", "replace").split() or [""])[0]
            found.append(checker)
    _remember(home)
    return found


def _forget_changed(home: str) -> None:
    """Forget all that is in memory if any of it is not, or may not be, what a new process would load."""
    if all(_is_below(place, home) and known is not None and known == stamp(place) for place, known in _known.values()):
        return
    for name in _known:
        sys.modules.pop(name, None)
    _known.clear()
    for folder in [folder for folder in sys.path_importer_cache if _is_below(folder, home)]:
        del sys.path_importer_cache[folder]


def _remember(home: str) -> None:
    """What was loaded from below the home, also by a checker for itself; but our own package may be there too."""
    ours = __name__.partition(".")[0]
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        if place and name not in _known and name.partition(".")[0] != ours and _is_below(place, home):
            known = stamp(place)
            _known[name] = place, known if are_settled([known]) else None


def _is_below(place: str, home: str) -> bool:
    return place.startswith(home + "/") and "/site-packages/" not in place


class Unusable(Exception):
    """args[0]: where and why, as bytes for people."""


def site_checker(entry: bytes, config: Config) -> Checker | None:
    """Import and set up what a line of control/smtpcheckers names. Raises Unusable, and ControlError."""
    name, *arguments = entry.decode("utf-8", "surrogateescape").split() or [""]
    try:
        checker = _set_up(name, arguments, config)
        trouble = misspelt(checker) if checker is not None else ""
    except ControlError:
        raise
    except BaseException as error:
        trouble = f"{_place(error, name)}{type(error).__name__}: {error}"
    if trouble:
        raise Unusable(trouble.encode(errors="replace"))
    return checker


def _set_up(name: str, arguments: list[str], config: Config) -> Checker | None:
    if not name:
        raise ValueError("no module is named")
    _add_site_path()
    checker = _import(_site_module(name)).setup(config, *arguments)
    if checker is None or isinstance(checker, Checker):
        return checker
    raise TypeError(f"{checker!r} is no Checker")


def _place(error: BaseException, name: str) -> str:
    """FILE:LINE in the site's code, for people: where it was last in charge, or the file that has what we miss."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    place = ""
    step = error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not file.startswith((_OURS, "<")):
            place = f"{file}:{step.tb_lineno}: "
        step = step.tb_next
    module = sys.modules.get(_site_module(name)) if name else None
    if place or module is None:
        return place
    setup = getattr(getattr(module, "setup", None), "__code__", None)
    return f"{module.__file__}:{setup.co_firstlineno if setup else 1}: "


def _add_site_path() -> None:
    """A site's checkers are looked for in HOME/checkers, in HOME, and among the third-party packages."""
    from .. import thirdparty

    home = posix.getcwd()
    guard.watch(home)
    for folder in (home + "/checkers", home):
        if folder not in sys.path:
            sys.path.append(folder)
    thirdparty.add_to_path()


def _site_module(name: str) -> str:
    """A file in HOME/checkers is meant, also where a module of Python's has the same name."""
    try:
        posix.stat(f"checkers/{name}.py")
    except OSError:
        return name
    return f"checkers.{name}"


class Broken(Checker):
    """In the place of a checker that cannot be used."""

    def __init__(self, reason: bytes) -> None:
        self._reply = replies.CHECKER_TROUBLE.with_reason(reason)

    def mail(self, session: Session, event: Event) -> Reply:
        return self._reply

    rcpt = mail


def _import(name: str) -> Any:
    """importlib.import_module without importlib's Python part."""
    __import__(name)
    return sys.modules[name]
