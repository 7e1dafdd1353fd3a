"""The short way into qmail-smtpd: everything a plain session needs, from one file instead of two dozen.

A filter that starts for every connection lives or dies by its start-up, and most of that is finding, opening and
checking byte-code files. So all modules of BUNDLED are kept together in `__pycache__/bundle.TAG`, written like the
interpreter's own byte-code: when it is missing or older than a source, if the folder may be written to. Whatever is
wrong with that file, the modules are imported in the ordinary way; nothing but time depends on it.
"""

# Not `from __future__ import annotations`: this module alone is not in the bundle, and would import a file for it.

import gc
import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

FOLDER = __file__.rpartition("/")[0]
FILE = f"{FOLDER}/__pycache__/bundle.{sys.implementation.cache_tag}"

# In the order in which they can be executed: a module comes after those it imports.
BUNDLED = (
    "smtp.numbers",
    "control.files",
    "smtp.client",
    "logs.log",
    "net.standard",
    "smtp.replies",
    "smtp.errors",
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
ROOMS = ("smtp", "control", "logs", "net", "session", "programs", "checkers")


def main() -> None:
    """qmail-smtpd. Never returns, or raises: bin/qmail-smtpd has the last word then."""
    if sys.argv[1:]:
        from .inspect.usage import answer

        answer()
    # What a session needs at least: with less, Python's own recovery may go round in circles. Bytes are not bytearrays:
    # nobody writes zeros into them, so that asking costs next to nothing.
    bytes(1 << 20)
    reserve = bytes(1 << 19)  # for that last word; until then only set aside
    gc.disable()  # what start-up makes stays: collecting in it finds nothing
    bundled = load()
    from .main import main

    note = "" if bundled else _look_around()
    gc.freeze()
    gc.enable()
    main(note)
    del reserve


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
    for room in ROOMS:
        if room not in BUNDLED:  # a docstring is all that these have of their own
            _module(room)
    for name, _, code in modules:
        exec(code, _module(name).__dict__)
    return True


_CODE = load.__code__


def _module(name: str) -> "ModuleType":
    """What the import system makes of a module it has found, before it runs its code. Only rooms need a spec: others
    are looked for in them."""
    full, path = f"{__package__}.{name}", source(name)
    module = type(sys)(full)
    parent, _, own_name = full.rpartition(".")
    module.__file__, module.__package__ = path, parent
    if name in ROOMS:
        spec = ModuleSpec(full, None, origin=path, is_package=True)
        folder = path.rpartition("/")[0]
        spec.submodule_search_locations, module.__path__ = [folder], [folder]
        module.__spec__, module.__package__ = spec, full
    sys.modules[full] = module
    setattr(sys.modules[parent], own_name, module)
    return module
