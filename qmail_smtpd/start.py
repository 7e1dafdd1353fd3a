"""Start qmail-smtpd quickly: load all modules of a plain session from one file.

The program starts anew for every connection, and most of a start is finding, opening and checking byte-code files. So
the code of all modules in BUNDLED is kept in one file, `__pycache__/bundle.TAG`. Like the interpreter's own byte-code
it is written when it is missing or does not match a source, if the folder is writable. If the file cannot be used, for
whatever reason, the modules are imported in the ordinary way: the session only takes longer.
"""

# No `from __future__ import annotations` here: this module is not in the bundle, so that would import one more file.

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
    "inherited",
    "programs.process",
    "control.config",
    "session.chain",
    "session.greeting",
    "control.hosts",
    "smtp.events",
    "smtp.state",
    "smtp.message",
    "smtp.address",
    "smtp.readers",
    "smtp.protocol",
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
    """The program qmail-smtpd. Does not return; what it raises bin/qmail-smtpd turns into a 421."""
    note = ""
    if sys.argv[1:]:
        from .inspect.usage import answer

        answer()
        note = f"arguments have no effect: {' '.join(sys.argv[1:])}; AUTH asks bin/auth_smtp, see qmail-smtpd(8)"
    # A session needs at least this much memory. Fail now if it is not there: later, Python's handling of a MemoryError
    # may never end. The pages of bytes() are not touched, so asking for them costs almost nothing.
    bytes(1 << 20)
    reserve = bytes(1 << 19)  # freed when something is raised here, so that bin/qmail-smtpd can still send its 421
    gc.disable()  # what start-up creates stays in use: collecting would find nothing
    bundled = load()
    from .main import main

    if not bundled:
        note = _renew_or_explain() or note
    gc.freeze()
    gc.enable()
    main(note)
    del reserve


def _renew_or_explain() -> str:
    """The bundle was missing or outdated, as after an upgrade of Python: write it again, unless the third-party
    packages were made for another Python. Returns what to log about these, "" if they fit."""
    from .thirdparty import mismatch

    wrong = mismatch()
    if not wrong:  # otherwise the bundle stays missing, so that every session logs the reason
        renew()
    return wrong


def renew(prefix: str = "") -> bool:
    """Write FILE anew; whether that worked. `prefix` (DESTDIR) is cut off the paths that tracebacks will show."""
    from .bundle import write

    return write(FILE, [(name, source(name), stamp(source(name))) for name in BUNDLED], prefix)


def source(name: str) -> str:
    """The path of a module of this package."""
    path = f"{FOLDER}/{name.replace('.', '/')}"
    return f"{path}/__init__.py" if name in ROOMS else f"{path}.py"


def stamp(path: str) -> tuple[int, int]:
    """What tells one version of a source from another, as in the interpreter's own cache: its modification time
    (seconds) and its size (bytes)."""
    status = posix.stat(path)
    return int(status.st_mtime), status.st_size


def load() -> bool:
    """Put the bundled modules into sys.modules; False if the file is missing, damaged or not up to date."""
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
        if room not in BUNDLED:  # its __init__.py holds nothing but a docstring
            _module(room)
    for name, _, code in modules:
        exec(code, _module(name).__dict__)
    return True


_CODE = load.__code__


def _module(name: str) -> "ModuleType":
    """An empty module, set up in sys.modules as the import system does it before it runs the code. Only packages need
    a spec: the import system looks for other modules in them."""
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
