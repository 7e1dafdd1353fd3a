"""The short way into qmail-smtpd: everything a plain session needs, from one file instead of two dozen.

A filter that starts for every connection lives or dies by its start-up, and most of that is finding, opening and
checking byte-code files. So all modules of BUNDLED are kept together in `__pycache__/bundle.TAG`, written like the
interpreter's own byte-code: when it is missing or older than a source, if the folder may be written to. Whatever is
wrong with that file, the modules are imported in the ordinary way; nothing but time depends on it.
"""

from __future__ import annotations

import gc
import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

FOLDER = __file__.rpartition("/")[0]
FILE = f"{FOLDER}/__pycache__/bundle.{sys.implementation.cache_tag}"

# In the order in which they can be executed: a module comes after those it imports.
BUNDLED = (
    "smtp",
    "smtp.numbers",
    "control",
    "control.files",
    "smtp.client",
    "logs",
    "logs.log",
    "net",
    "net.peer",
    "smtp.replies",
    "smtp.errors",
    "session",
    "session.hooks",
    "session.verdict",
    "session.chain",
    "control.config",
    "session.greeting",
    "control.hosts",
    "smtp.events",
    "smtp.state",
    "smtp.message",
    "smtp.address",
    "smtp.readers",
    "smtp.protocol",
    "inherited",
    "programs",
    "programs.process",
    "programs.qmailqueue",
    "smtp.received",
    "session.facts",
    "session.delivery",
    "session.commands",
    "session.conversation",
    "net.wire",
    "checkers",
    "checker",
    "main",
    "checkers.size",
    "checkers.routes",
    "checkers.rcpthosts",
    "checkers.bounce",
)
ROOMS = {name.partition(".")[0] for name in BUNDLED if "." in name}


def main() -> None:
    """qmail-smtpd. Never returns."""
    gc.disable()  # what start-up makes stays: collecting in it finds nothing
    bundled = load()
    from .main import main

    note = "" if bundled else _look_around()
    gc.freeze()
    gc.enable()
    main(note)


def _look_around() -> str:
    """The bundle was missing, as after an upgrade of Python: renew it, unless packages are missing too; what the log
    is to say."""
    from .thirdparty import mismatch

    wrong = mismatch()
    if not wrong:  # else it stays missing, and each session says why
        renew()
    return wrong


def renew(prefix: str = "") -> bool:
    """Write FILE anew. `prefix` is what stands before the paths that the modules will have (DESTDIR)."""
    from .bundle import write

    return write(FILE, [(name, source(name), stamp(source(name))) for name in BUNDLED], prefix)


def source(name: str) -> str:
    """The path of a module of this package."""
    path = f"{FOLDER}/{name.replace('.', '/')}"
    return f"{path}/__init__.py" if name in ROOMS else f"{path}.py"


def stamp(path: str) -> tuple[int, int]:
    """What a source is known by, as in the interpreter's own cache: when it was written (seconds) and its size."""
    status = posix.stat(path)
    return int(status.st_mtime), status.st_size


def load() -> bool:
    """Put the bundled modules into sys.modules; False if the file is not there, not whole or not up to date."""
    try:
        fd = posix.open(FILE, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            data = posix.read(fd, posix.fstat(fd).st_size)
        finally:
            posix.close(fd)
        modules: list[tuple[str, tuple[int, int], CodeType]] = marshal.loads(data)
        if [name for name, *_ in modules] != list(BUNDLED):
            return False
        if any(stamp(source(name)) != known or type(code) is not type(_CODE) for name, known, code in modules):
            return False
    except Exception:
        return False
    for name, _, code in modules:
        _execute(name, source(name), code)
    return True


_CODE = load.__code__


def _execute(name: str, path: str, code: CodeType) -> None:
    """What the import system does with a module it has found."""
    full = f"{__package__}.{name}"
    module = type(sys)(full)
    spec = ModuleSpec(full, None, origin=path, is_package=path.endswith("/__init__.py"))
    if spec.submodule_search_locations is not None:
        spec.submodule_search_locations.append(path.rpartition("/")[0])
        module.__path__ = spec.submodule_search_locations
    module.__spec__, module.__package__, module.__file__ = spec, spec.parent, path
    sys.modules[full] = module
    exec(code, module.__dict__)
    setattr(sys.modules[full.rpartition(".")[0]], full.rpartition(".")[2], module)
