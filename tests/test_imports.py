"""What the program imports, and which of its modules touch descriptors (DESIGN, Imports).

Start-up is most of what a session costs, so a plain one may not import what is heavy; and the protocol stays pure.
"""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from .support.home import Home, codes
from .support.processes import BIN, ROOT

PACKAGE = ROOT / "qmail_smtpd"
PLAIN_SESSION = (
    "EHLO client.example.net\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"
    "Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"
)
TOO_HEAVY = {
    *(
        "re",
        "socket",
        "_socket",
        "ssl",
        "_ssl",
        "asyncio",
        "subprocess",
        "logging",
        "argparse",
        "typing",
        "dataclasses",
    ),
    *(
        "enum",
        "selectors",
        "importlib",
        "importlib.util",
        "importlib.machinery",
        "pathlib",
        "shutil",
        "tempfile",
        "json",
    ),
    *("threading", "collections", "functools", "contextlib", "traceback", "inspect", "random", "hashlib", "base64"),
    *("email", "urllib", "ipaddress", "datetime", "locale", "signal", "struct", "site", "ast", "tokenize", "fnmatch"),
    *("ldap", "pydnsbl", "pycdb", "idna", "pycares", "aiodns", "passlib"),
}
NAMES_ITS_MODULES = """
import posix, sys
from qmail_smtpd.chain import Checker
class Lister(Checker):
    def message(self, session, event):
        fd = posix.open("imported", posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o644)
        posix.write(fd, "\\n".join(sys.modules).encode())
        posix.close(fd)
def setup(config):
    return Lister()
"""


def test_a_plain_session_imports_nothing_heavy(home: Home) -> None:
    """A checker of the site's own, the last to be asked, writes down what the session has imported."""
    (home.path / "lister.py").write_text(NAMES_ITS_MODULES)
    home.control("smtpcheckers", "lister\n")
    session = home.smtp(PLAIN_SESSION)
    assert codes(session.stdout) == [220, 250, 250, 250, 354, 250, 221], session.stderr
    imported = set((home.path / "imported").read_text().split("\n"))
    assert {"posix", "qmail_smtpd.main", "qmail_smtpd.qmailqueue", "qmail_smtpd.message"} <= imported
    assert not imported & TOO_HEAVY


def test_nothing_heavy_is_imported_later(home: Home) -> None:
    """The interpreter's own account, up to its end: nothing comes in between the last reply and the exit."""
    argv = ["/usr/bin/python3", "-I", "-S", "-X", "importtime", str(BIN / "qmail-smtpd")]
    session = subprocess.run(argv, input=PLAIN_SESSION.encode(), capture_output=True, env=home.env(), timeout=60)
    assert codes(session.stdout) == [220, 250, 250, 250, 354, 250, 221], session.stderr
    lines = session.stderr.decode().split("\n")
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert {"posix", "select"} <= imported  # our own modules may come from one file, without the import system
    assert not imported & TOO_HEAVY


def test_the_interpreter_is_isolated() -> None:
    """No PYTHON* variables, no user site, no site scan; and the program of the system, not one of PATH."""
    for program in ("qmail-smtpd", "qmail-verify", "auth_smtp"):
        first = (BIN / program).read_text().split("\n", 1)[0]
        assert first in ("#!/usr/bin/python3 -IS", "#!/usr/bin/python3 -SI"), program


# The source


def imports(path: Path, at_top: bool = False) -> set[str]:
    """The modules that a file imports: `posix`, or `qmail_smtpd.x` for our own; not those for type checkers."""
    tree = ast.parse(path.read_text())
    nodes = [child for node in tree.body for child in ([node] if at_top else ast.walk(node)) if not _for_types(node)]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= _from(path, node)
    return found - {"__future__"}


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _from(path: Path, node: ast.ImportFrom) -> set[str]:
    if not node.level:
        return {node.module or ""}
    folder = path.parent
    for _ in range(node.level - 1):
        folder = folder.parent
    package = ".".join(folder.relative_to(ROOT).parts)
    base = f"{package}.{node.module}" if node.module else package
    return {_module(base, alias.name) for alias in node.names}


def _module(base: str, name: str) -> str:
    """`from . import log` names a module, `from .log import Log` something in one."""
    file = ROOT.joinpath(*base.split("."), f"{name}.py")
    return f"{base}.{name}" if file.exists() else base


def module_files() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "__pycache__" not in path.parts]


def reached(module: str) -> set[str]:
    """Everything that `module` imports at its top, and what that imports in turn."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if name in seen or not name.startswith("qmail_smtpd"):
            seen.add(name)
            continue
        seen.add(name)
        waiting += imports(file if file.exists() else ROOT.joinpath(*name.split("."), "__init__.py"), at_top=True)
    return seen


PURE = ["numerals", "replies", "events", "address", "state", "readers", "message", "protocol"]


@pytest.mark.parametrize("name", PURE)
def test_the_protocol_is_pure(name: str) -> None:
    """These import each other and nothing else."""
    allowed = {"qmail_smtpd", *(f"qmail_smtpd.{pure}" for pure in PURE)}
    assert reached(f"qmail_smtpd.{name}") <= allowed
    assert imports(PACKAGE / f"{name}.py") <= allowed


@pytest.mark.parametrize("name", PURE)
def test_the_protocol_opens_nothing(name: str) -> None:
    called = {n.func.id for n in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text())) if _is_plain_call(n)}
    assert not called & {"open", "print", "input", "exec", "eval", "__import__", "compile"}


def _is_plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


DESCRIPTORS = {
    **dict.fromkeys(
        ("posix", "os"), {"open", "read", "write", "close", "pipe", "pipe2", "dup", "dup2", "fork", "posix_spawn"}
    ),
    **dict.fromkeys(("select", "selectors"), {"poll", "select", "epoll", "DefaultSelector"}),
    **dict.fromkeys(("socket", "_socket"), {"socket", "socketpair", "create_connection", "fromfd"}),
    **dict.fromkeys(("ssl", "_ssl"), {"SSLContext", "_SSLContext", "wrap_socket"}),
    "subprocess": {"run", "Popen", "check_output", "call"},
}
MAY_TOUCH = {
    *("wire", "tls", "qmailqueue", "helper", "control", "log", "main", "connection", "spp"),  # the filter
    *("start", "joined", "preload", "certificates", "resolver"),  # its own byte-code; what TLS and name servers need
    *("queueprogram", "maildirqueue", "sendmailqueue", "cdbmake", "resident", "restart"),  # programs of their own
}
OTHER_PROGRAMS = ("directory", "pbs", "inspect")


def touches_descriptors(path: Path) -> bool:
    """Whether a file names one of the functions above, or calls `open`."""
    at_run_time = [node for node in ast.parse(path.read_text()).body if not _for_types(node)]
    for node in (inner for outer in at_run_time for inner in ast.walk(outer)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in DESCRIPTORS.get(node.value.id, ()):
                return True
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if DESCRIPTORS.get(node.module or "", set()) & {alias.name for alias in node.names}:
                return True
        elif _is_plain_call(node) and node.func.id == "open":  # type: ignore[attr-defined]
            return True
    return False


def test_only_named_modules_touch_descriptors() -> None:
    filter_only = [p for p in module_files() if p.relative_to(PACKAGE).parts[0] not in OTHER_PROGRAMS]
    touching = {str(p.relative_to(PACKAGE).with_suffix("")) for p in filter_only if touches_descriptors(p)}
    assert touching <= MAY_TOUCH
    assert {"wire", "qmailqueue", "control", "log"} <= touching, "this test no longer sees what it looks for"
