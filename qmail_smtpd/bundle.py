"""Write the file that start.py loads: the code of its modules, with what each source was known by.

Docstrings and assertions stay behind, and so does `from __future__ import annotations`, which is given to the
compiler instead: together half of what there would be to read.
"""

from __future__ import annotations
import __future__

import marshal
import os

from .control.safefile import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

FUTURE = "from __future__ import annotations\n"


def write(file: str, sources: list[tuple[str, str, tuple[int, int]]], prefix: str = "") -> bool:
    """Write `file` from (name, path, stamp) of each module, so that a reader sees the old or the new; False if that
    cannot be done, which costs only time. `prefix` is cut off the paths that tracebacks show."""
    target = os.fsencode(file)

    def fill(fd: int) -> None:
        # Here and not before: compiling costs more than whole sessions, and the folder may not be ours.
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
        text = stream.read()
    flags = __future__.annotations.compiler_flag if FUTURE in text else 0
    shown = path.removeprefix(prefix)
    code: CodeType = compile(text.replace(FUTURE, "\n", 1), shown, "exec", flags=flags, dont_inherit=True, optimize=2)
    return code
