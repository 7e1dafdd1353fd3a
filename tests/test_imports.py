"""What the program imports, and which of its modules touch descriptors (DESIGN, Imports).

Start-up is most of what a session costs, so a plain one may not import what is heavy; and the protocol stays pure.
"""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from qmail_smtpd import start

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
    *("ldap", "_ldap", "pydnsbl", "pycdb", "idna", "pycares", "aiodns", "passlib"),
}
NAMES_ITS_MODULES = """
import posix, sys
from qmail_smtpd.checker import Checker
class Lister(Checker):
    def message(self, session, event):
        fd = posix.open("imported", posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o644)
        posix.write(fd, "\\n".join(sys.modules).encode())
        posix.close(fd)
def setup(config):
    return Lister()
"""


@pytest.fixture(scope="module", autouse=True)
def bundled() -> None:
    """In a fresh tree the first session writes the bundle, and imports a compiler for it."""
    start.renew()


def test_a_plain_session_imports_nothing_heavy(home: Home) -> None:
    """A checker of the site's own, the last to be asked, writes down what the session has imported."""
    (home.path / "lister.py").write_text(NAMES_ITS_MODULES)
    home.control("smtpcheckers", "lister\n")
    session = home.smtp(PLAIN_SESSION)
    assert codes(session.stdout) == [220, 250, 250, 250, 354, 250, 221], session.stderr
    imported = set((home.path / "imported").read_text().split("\n"))
    assert {"posix", "qmail_smtpd.main", "qmail_smtpd.programs.qmailqueue", "qmail_smtpd.smtp.message"} <= imported
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


def test_a_plain_session_finds_all_of_ours_in_the_bundle(home: Home) -> None:
    """The first session may have to write it. What is looked for elsewhere start.py has forgotten, or has in the wrong
    order."""
    argv = ["/usr/bin/python3", "-I", "-S", "-X", "importtime", str(BIN / "qmail-smtpd")]
    for _ in range(2):
        session = subprocess.run(argv, input=PLAIN_SESSION.encode(), capture_output=True, env=home.env(), timeout=60)
    lines = [line for line in session.stderr.decode().split("\n") if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip() for line in lines}
    assert {name for name in names if name.startswith("qmail_smtpd")} == {"qmail_smtpd", "qmail_smtpd.start"}


def test_the_interpreter_is_isolated() -> None:
    """No PYTHON* variables, no user site, no site scan; and the program of the system, not one of PATH."""
    for program in ("qmail-smtpd", "qmail-verify", "auth_smtp"):
        first = (BIN / program).read_text().split("\n", 1)[0]
        assert first in ("#!/usr/bin/python3 -IS", "#!/usr/bin/python3 -SI"), program


# The rooms

# Who may import what of ours: a room, and the rooms and files it may use besides itself. Imports for type checkers
# count too: an arrow that runs back up is one, whoever reads it.
FILES_AT_THE_TOP = {"__init__", "main", "start", "bundle", "thirdparty", "checker", "inherited"}
LOWEST = {"smtp", "logs"}
LOWER = LOWEST | {"control", "programs", "thirdparty"}
BELOW_SESSION = LOWER | {"net", "filters", "counters"}
RULES: dict[str, set[str]] = {
    "smtp": set(),  # 1
    "mailauth": {"smtp"},
    "logs": {"smtp"},  # 2
    "control": LOWEST | {"thirdparty"},  # 3
    "programs": LOWEST | {"inherited"},
    "net": LOWER - {"programs"},  # 4
    "filters": LOWER | {"net"},
    "counters": LOWER | {"net"},
    "session": BELOW_SESSION,  # 5
    "checker": {"session"},
    "checkers": BELOW_SESSION | {"checker", "session", "mailauth"},  # 6
    "resident": BELOW_SESSION | {"session"},  # 7
    "queues": set(),  # 8
    "directory": LOWEST | {"control", "thirdparty"},
    "pbs": LOWEST | {"control", "thirdparty"},
    "report": LOWEST | {"control", "thirdparty", "counters"},
    "inspect": BELOW_SESSION | {"checker", "checkers", "session", "mailauth", "directory", "pbs", "resident"},  # 9
    "thirdparty": set(),
    "inherited": set(),
    "bundle": {"control"},
    "start": {"bundle", "main", "thirdparty", "inspect"},
    "main": BELOW_SESSION | {"checkers", "session", "resident", "inherited"},
}


def module_files() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "__pycache__" not in path.parts]


def room(path: Path) -> str:
    """The first folder below the package, or the name of a file that stands in it."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, below the package: `smtp.replies`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= _from(path, node)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.removeprefix("qmail_smtpd.") for name in found if name.startswith("qmail_smtpd.")}


def _from(path: Path, node: ast.ImportFrom) -> set[str]:
    base = node.module or ""
    if node.level:
        folder = path.parents[node.level - 1]
        package = ".".join(folder.relative_to(ROOT).parts)
        base = f"{package}.{node.module}" if node.module else package
    return {_module(base, alias.name) for alias in node.names}


def _module(base: str, name: str) -> str:
    """`from ..logs import log` names a module, `from ..logs.log import Log` something in one."""
    place = ROOT.joinpath(*base.split("."), name)
    return f"{base}.{name}" if place.is_dir() or place.with_suffix(".py").exists() else base


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_room_imports_only_what_lies_below_it(name: str) -> None:
    for path in module_files():
        if room(path) == name:
            used = {module.partition(".")[0] for module in imported(path)}
            assert used <= RULES[name] | {name}, path


def test_every_room_has_a_rule() -> None:
    assert {room(path) for path in module_files()} - {"__init__"} <= set(RULES)


def test_few_files_stand_outside_the_rooms() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == FILES_AT_THE_TOP


def test_a_check_imports_no_other_check() -> None:
    """What only checks share begins with _."""
    checks = [path for path in module_files() if room(path) == "checkers" and path.stem != "__init__"]
    for path in checks:
        shared = {module for module in imported(path) if module.startswith("checkers")}
        assert all(module.rpartition(".")[2].startswith("_") for module in shared), path


def test_there_is_no_circle() -> None:
    """Of modules, at import time or later; types do not count here."""
    files = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in module_files()
    }
    waiting = {name: _for_real(path) & set(files) - {name} for name, path in files.items()}
    while ready := [name for name, needs in waiting.items() if not needs]:
        for name in ready:
            del waiting[name]
        for needs in waiting.values():
            needs.difference_update(ready)
    assert not waiting


def _below_the_package(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def _for_real(path: Path) -> set[str]:
    """What a file imports when it runs."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if not _for_types(node)]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= _from(path, node)
    return {name.removeprefix("qmail_smtpd.") for name in found if name.startswith("qmail_smtpd.")}


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


# Descriptors

PURE = ("smtp", "mailauth")
MAY_TOUCH = {
    "net",
    "programs",
    "control",
    "logs",
    "resident",
    "queues",
    "counters",
    "main",
    "start",
    "bundle",
    "inherited",
}  # 10
OTHER_PROGRAMS = {"directory", "pbs", "inspect", "report"}
DESCRIPTORS = {
    **dict.fromkeys(
        ("posix", "os"), {"open", "read", "write", "close", "pipe", "pipe2", "dup", "dup2", "fork", "posix_spawn"}
    ),
    **dict.fromkeys(("select", "selectors"), {"poll", "select", "epoll", "DefaultSelector"}),
    **dict.fromkeys(("socket", "_socket"), {"socket", "socketpair", "create_connection", "fromfd"}),
    **dict.fromkeys(("ssl", "_ssl"), {"SSLContext", "_SSLContext", "wrap_socket"}),
    "subprocess": {"run", "Popen", "check_output", "call"},
}


@pytest.mark.parametrize("path", [p for p in module_files() if room(p) in PURE], ids=str)
def test_the_protocol_opens_nothing(path: Path) -> None:
    called = {n.func.id for n in ast.walk(ast.parse(path.read_text())) if _is_plain_call(n)}
    assert not called & {"open", "print", "input", "exec", "eval", "__import__", "compile"}


def _is_plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


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


def test_only_named_rooms_touch_descriptors() -> None:
    touching = {room(path) for path in module_files() if touches_descriptors(path)}
    assert touching - OTHER_PROGRAMS <= MAY_TOUCH
    assert {"net", "programs", "control", "logs"} <= touching, "this test no longer sees what it looks for"
