"""What a resident process imports before it forks: every module that a session may need with this configuration.

It only imports: no checker is set up, no configuration is kept, and no thread or event loop is started.
"""

from __future__ import annotations

import posix
import sys

from ..logs.log import FATAL, Log, described
from ..programs import helper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PACKAGE = __name__.partition(".")[0]
CONTROL = b"control/"
DATABASES = ("locals.cdb", "rcpthosts.cdb", "morercpthosts.cdb")
# Module, and the variables (upper case) or control files of which one must be there for it; () for always.
MODULES = (
    ("session.auth", ("SMTPAUTH",)),
    ("session.junk", ()),
    ("programs.queueexits", ()),
    ("net.farewell", ()),
    ("net.tls", ("SSLCERT", "smtpcert", "SMTPS")),
    ("net.groups", ("SSLCERT", "smtpcert", "SMTPS")),
    ("control.tcprules", ("TCPRULES",)),
    ("smtp.rate", ("mindatarate",)),
    ("session.holding", ("smtpcheckers", "smtpmilters")),
    ("directory.cache", ("ldapcache",)),
    ("net.hostname", ()),  # the client's name
)
# Our own programs that a child may run by forking instead of executing them: path, variables as above, module.
PROGRAMS = (
    (b"bin/qmail-verify", ("RCPTCHECK", "SENDERCHECK"), "directory.verify"),
    (b"bin/auth_smtp", ("SMTPAUTH",), "directory.auth"),
)


def everything(env: dict[bytes, bytes], log: Log, checks: list[tuple[str, tuple[str, ...]]]) -> int:
    """Import what the environment, the rules of TCPRULES and the control files can ask for.

    `checks`: the modules of checkers, each with the variables and control files as in MODULES. Returns how many modules
    could not be imported. Each of them is logged, and only the sessions that need it fail."""
    words = b"\n".join(env) + b"\n" + _rules(env)

    def wanted(names: tuple[str, ...]) -> bool:
        return not names or any(name.encode() in words if name.isupper() else _there(name) for name in names)

    steps: list[tuple[str, Callable[..., object], tuple[Any, ...]]] = []
    steps += [(name, _load, (name,)) for name, asks in (*MODULES, *checks) if wanted(asks)]
    if wanted((*DATABASES, "TCPRULES")):
        from ..control.cdb import pycdb

        steps.append(("pycdb", pycdb, ()))
    if log.syslog:
        steps.append(("syslog", __import__, ("syslog",)))
    for path, asks, name in PROGRAMS:
        if wanted(asks) and is_ours(helper.text_of(path), name):
            steps.append((name, _keep, (path, name)))
    return sum(not _works(log, *step) for step in steps)


def _load(name: str) -> Any:
    full = f"{PACKAGE}.{name}"
    __import__(full)
    module = sys.modules[full]
    if hasattr(module, "preload"):
        module.preload()
    return module


def _keep(path: bytes, name: str) -> None:
    module = _load(name)
    __import__("resource")  # directory/program.py imports it at its start
    helper.PRELOADED[path] = (helper.text_of(path), module.main)


def is_ours(text: bytes, name: str) -> bool:
    """Whether the text of a program is that of a program in our bin/: it only finds the package and calls the `main`
    of module `name`. Installing may have changed its `#!` line and the path."""
    lines = text.split(b"\n")
    imports, place = (b"import posix", b"import sys"), b"sys.path.insert(0, "
    settles = f"from {PACKAGE}.inherited import settle".encode()
    helps = (b"if sys.argv[1:]", f"    from {PACKAGE}.inspect.usage import answer".encode(), b"", b"    answer()")
    ours = (b"#!", *imports, b"", place, b"from ", settles, b"", *helps, b"settle()", b"posix._exit(main())", b"")
    if len(lines) != len(ours) or not all(line.startswith(begin) for line, begin in zip(lines, ours, strict=True)):
        return False
    return lines[5] == f"from {PACKAGE}.{name} import main".encode()


def _works(log: Log, name: str, step: Callable[..., object], arguments: tuple[Any, ...]) -> bool:
    try:
        step(*arguments)
    except Exception as error:
        log.write(FATAL, b"cannot load ", name.encode(), b": ", described(error))
        return False
    return True


def _rules(env: dict[bytes, bytes]) -> bytes:
    """The text of the rules file, which contains the names of the variables it sets; b"" if it cannot be read."""
    path = env.get(b"TCPRULES")
    if not path:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # each session will find that out, and refuse its client


def _there(name: str) -> bool:
    try:
        posix.stat(CONTROL + name.encode())
    except OSError:
        return False
    return True
