"""Write the file that start.py loads: for each module its name, the stamp of its source, and its compiled code.

Docstrings and assertions are left out, and `from __future__ import annotations` is passed to the compiler as a flag:
that halves the file.
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
        text = stream.read()
    flags = __future__.annotations.compiler_flag if FUTURE in text else 0
    shown = path.removeprefix(prefix)
    code: CodeType = compile(text.replace(FUTURE, "\n", 1), shown, "exec", flags=flags, dont_inherit=True, optimize=2)
    return code
