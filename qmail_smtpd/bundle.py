"""Write the file that start.py loads: for each module its name, the stamp of its source, and its compiled code.

Docstrings, assertions, annotations, what stands below `if TYPE_CHECKING` and the columns of the code are left out: that
halves the file. Nothing of it is asked for at run time, and lines keep their numbers for tracebacks.
"""

from __future__ import annotations

import ast
import marshal
import os

from .control.safefile import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


NO_COLUMN = -1  # the compiler writes a line number alone


def write(file: str, sources: list[tuple[str, str, tuple[int, int]]], prefix: str = "") -> bool:
    """Write `file` from (name, path, stamp) of each module; a reader sees the old file or the new one. False if it
    cannot be written: sessions only take longer then. `prefix` is cut off the paths that tracebacks show."""
    target = os.fsencode(file)

    def fill(fd: int) -> None:
        # Compiled here, once the file could be opened: compiling takes longer than a session, and where the folder
        # cannot be written to every session would do it in vain.
        modules = [(name, stamp, _code(path, prefix)) for name, path, stamp in sources]
        with open(fd, "wb", closefd=False) as stream:
            stream.write(marshal.dumps(modules))

    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        replace(target, b"%b.%d" % (target, os.getpid()), fill)
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _code(path: str, prefix: str) -> CodeType:
    with open(path, encoding="utf-8") as stream:
        tree = _Bare().visit(ast.parse(stream.read()))
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.expr)):
            node.end_lineno = node.lineno
            node.col_offset = node.end_col_offset = NO_COLUMN
    code: CodeType = compile(tree, path.removeprefix(prefix), "exec", dont_inherit=True, optimize=2)
    return code


class _Bare(ast.NodeTransformer):
    """Removes annotations, imports from __future__, and what is below `if TYPE_CHECKING`."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module == "__future__" else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        bare = ast.Assign([node.target], node.value) if node.value else ast.Pass()
        return ast.copy_location(bare, node)

    def visit_If(self, node: ast.If) -> ast.AST:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.test = ast.copy_location(ast.Constant(False), node.test)  # the compiler leaves out what never runs
        return self.generic_visit(node)
