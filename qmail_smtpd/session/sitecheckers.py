"""The checkers of a site: control/smtpcheckers, `dotted.module [arguments]` a line.

    load(config, log)               all of them, in file order, named
    site_checker(entry, config)     what one line names

One that cannot be loaded defers everything (451): the site meant it to refuse something.

In a process that serves many sessions a site's modules stay in memory, with their globals, until a file of one of them
changes or a session has another home: then all of them are forgotten, and loaded when they are next named.
"""

from __future__ import annotations

import posix
import sys

from ..control.files import ControlError
from ..control.kept import are_settled, stamp
from ..logs.log import FATAL, described
from ..smtp import replies
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


def load(config: Config, log: Log) -> list[Checker]:
    """The checkers of control/smtpcheckers; a broken one stands for each that cannot be loaded. Raises ControlError."""
    listed = config.files["smtpcheckers"]
    found: list[Checker] = []
    home = posix.getcwd()
    _forget_changed(home)
    for entry in listed.entries() if listed else []:
        try:
            checker = site_checker(entry, config)
        except ControlError:
            raise
        except BaseException as error:
            log.write(FATAL, b"checker ", entry, b" cannot be loaded: ", described(error))
            checker = Broken()
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


def site_checker(entry: bytes, config: Config) -> Checker | None:
    """Import and set up what a line of control/smtpcheckers names. Raises what its code raises, and TypeError or
    ValueError for a line or a result that is none."""
    name, *arguments = entry.decode("utf-8", "surrogateescape").split() or [""]
    if not name:
        raise ValueError("no module is named")
    _add_site_path()
    checker = _import(_site_module(name)).setup(config, *arguments)
    if checker is None or isinstance(checker, Checker):
        return checker
    raise TypeError(f"{checker!r} is no Checker")


def _add_site_path() -> None:
    """A site's checkers are looked for in HOME/checkers, in HOME, and among the third-party packages."""
    from .. import thirdparty

    home = posix.getcwd()
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
    """In the place of a checker that cannot be loaded."""

    def mail(self, session: Session, event: Event) -> Reply:
        return replies.CHECKER_TROUBLE

    rcpt = mail


def _import(name: str) -> Any:
    """importlib.import_module without importlib's Python part."""
    __import__(name)
    return sys.modules[name]
