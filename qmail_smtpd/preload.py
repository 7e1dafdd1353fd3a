"""What a resident process imports before it forks: all that its configuration can make a session need.

Only imports: no checker is set up, nothing is read for keeps, no thread and no event loop starts here.
"""

from __future__ import annotations

import posix
from importlib import import_module

from . import helper
from .chain import ORDER, SITE
from .log import FATAL, Log, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CONTROL = b"control/"
# Programs of ours that a child may run as a fork of this process: path, what its file says if it is ours still.
PROGRAMS = {
    b"bin/qmail-verify": ("RCPTCHECK SENDERCHECK", "qmail_smtpd.directory.verify"),
    b"bin/auth_smtp": ("SMTPAUTH", "qmail_smtpd.directory.auth"),
}


def everything(env: dict[bytes, bytes], log: Log) -> None:
    """Import what the environment, the rules of TCPRULES and the control files can ask for. A module that cannot be
    imported is told in the log; the session that needs it will tell its client."""
    words = b"\n".join(env) + b"\n" + _rules(env)

    def wanted(*names: str) -> bool:
        return any(name.encode() in words if name.isupper() else _there(name) for name in names)

    modules = ["connection", "auth", "thirdparty"] if wanted("SMTPAUTH") else ["connection"]
    if wanted("SSLCERT", "smtpcert"):
        modules.append("tls")
    if wanted("TCPRULES"):
        modules.append("tcprules")
    modules += [f"checkers.{name}" for name, asks in ORDER if name != SITE and (not asks or wanted(*asks))]
    for name in modules:
        _attempt(log, name, lambda name=name: _load(f"{__package__}.{name}"))  # type: ignore[misc]
    if any(_there(f"{name}.cdb") for name in ("locals", "rcpthosts", "morercpthosts")) or wanted("TCPRULES"):
        from .hosts import _pycdb

        _attempt(log, "pycdb", _pycdb)
    for path, (variables, module) in PROGRAMS.items():
        if wanted(*variables.split()) and helper.holds(path, module.encode()):
            _attempt(log, module, lambda path=path, module=module: _keep(path, module))  # type: ignore[misc]


def _load(name: str) -> None:
    module = import_module(name)
    if hasattr(module, "preload"):
        module.preload()


def _keep(path: bytes, name: str) -> None:
    module = import_module(name)
    module.preload()
    helper.PRELOADED[path] = (name.encode(), module.main)


def _attempt(log: Log, name: str, step: Callable[[], object]) -> None:
    try:
        step()
    except Exception as error:
        log.write(FATAL, b"cannot load ", name.encode(), b": ", described(error))


def _rules(env: dict[bytes, bytes]) -> bytes:
    """The rules file as it is: the names of the variables it sets stand in it."""
    path = env.get(b"TCPRULES")
    if not path:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # the session will refuse to guess


def _there(name: str) -> bool:
    try:
        posix.stat(CONTROL + name.encode())
    except OSError:
        return False
    return True
