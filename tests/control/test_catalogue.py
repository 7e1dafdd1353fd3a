"""control/catalogue.py lists what the code reads: every variable and file is looked for in the sources themselves."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import qmail_smtpd
from qmail_smtpd.checkers import ORDER
from qmail_smtpd.control import catalogue

PACKAGE = Path(inspect.getfile(qmail_smtpd)).parent
OURSELVES = ("catalogue.py", "inspect/")  # they speak of all names and read none by themselves
ENVIRONMENTS = ("env", "environ", "environb")
READERS = ("switch", "value", "number", "line", "entries", "read", "path")


@cache
def sources() -> dict[str, ast.Module]:
    paths = sorted(PACKAGE.rglob("*.py"))
    names = {str(path.relative_to(PACKAGE)): path for path in paths}
    return {
        name: resolved(ast.parse(path.read_text(), name))
        for name, path in names.items()
        if not name.startswith(OURSELVES)
    }


def constants(tree: ast.Module) -> dict[str, ast.expr]:
    """What a module calls by names of its own: NAME = b"TEXT"."""
    assignments = (node for node in tree.body if isinstance(node, ast.Assign))
    return {target.id: node.value for node in assignments for target in node.targets if isinstance(target, ast.Name)}


def resolved(tree: ast.Module) -> ast.Module:
    """The module with these names replaced by what they stand for."""
    values = constants(tree)

    class Resolver(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            known_text = isinstance(node.ctx, ast.Load) and text(values.get(node.id))
            return ast.copy_location(ast.Constant(known_text), node) if known_text else node

    return ast.fix_missing_locations(Resolver().visit(tree))


def text(node: ast.AST | None) -> str:
    """A constant's text, "" for anything else."""
    value = node.value if isinstance(node, ast.Constant) else ""
    return value.decode("latin1") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def last_name(node: ast.AST) -> str:
    """`config` of `session.config`, `config` and `config()`."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_environment(node: ast.AST) -> bool:
    return last_name(node) in ENVIRONMENTS


def of_environment(node: ast.AST) -> Iterator[str]:
    """The variables that one expression reads or sets by name."""
    if isinstance(node, ast.Subscript) and is_environment(node.value):
        yield text(node.slice)
    elif isinstance(node, ast.Compare) and any(is_environment(other) for other in node.comparators):
        yield text(node.left)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        asks = is_environment(node.func.value) or node.func.attr in ("switch", "value", "number")
        name = text(node.args[0])
        yield name if asks and name.isupper() else ""


def of_control(node: ast.AST) -> Iterator[str]:
    """The control files that one expression reads by name."""
    if isinstance(node, ast.Subscript) and last_name(node.value) == "files":
        yield text(node.slice)
    elif isinstance(node, ast.Call):
        if last_name(node.func) in READERS and "control" in last_name(getattr(node.func, "value", node)):
            yield text(node.args[0]) if node.args else ""
        for first, second in zip(node.args, node.args[1:], strict=False):
            if last_name(first) == "control":
                yield text(second)
    elif isinstance(node, ast.Constant) and text(node).startswith("control/") and " " not in text(node):
        yield text(node).removeprefix("control/")


def documentation(tree: ast.Module) -> set[int]:
    """Where the docstrings begin, by the id of their node."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


@cache
def names_read() -> dict[str, dict[str, str]]:
    """{"variables": {name: where}, "files": {name: where}}"""
    found: dict[str, dict[str, str]] = {"variables": {}, "files": {}}
    for source, tree in sources().items():
        documented = documentation(tree)
        for node in ast.walk(tree):
            if id(node) in documented:
                continue
            place = f"{source}:{getattr(node, 'lineno', 0)}"
            for kind, names in (("variables", of_environment(node)), ("files", of_control(node))):
                found[kind].update({name: place for name in names if name and "%" not in name})
    for checker, wanted_by in ORDER:
        for name in wanted_by:
            found["variables" if name.isupper() else "files"][name] = f"checkers: {checker}"
    return found


@cache
def all_constants() -> set[str]:
    """Every text in the sources that could be a name, however it is used."""
    return {text(node) for tree in sources().values() for node in ast.walk(tree)}


def test_every_variable_that_is_read_is_known() -> None:
    missing = {name: place for name, place in names_read()["variables"].items() if name not in catalogue.VARIABLES}
    assert not missing, "not in qmail_smtpd/control/catalogue.py"


def test_every_control_file_that_is_read_is_known() -> None:
    missing = {name: place for name, place in names_read()["files"].items() if name not in catalogue.FILES}
    assert not missing, "not in qmail_smtpd/control/catalogue.py"


def test_every_known_variable_is_read() -> None:
    mentioned = all_constants()
    words = {word for constant in mentioned for word in constant.split()}
    assert not [name for name in catalogue.VARIABLES if name not in mentioned | words]


def test_every_known_control_file_is_read() -> None:
    mentioned = all_constants()
    parts = {constant.removeprefix("control/") for constant in mentioned}
    assert not [name for name in catalogue.FILES if name.removesuffix(".cdb") not in parts | mentioned]
