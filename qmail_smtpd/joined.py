"""Write the file that start.py loads: the code of its modules, with what each source looked like.

Docstrings and assertions stay behind, and so does `from __future__ import annotations`, which is given to the
compiler instead: together half of what there would be to read.
"""

from __future__ import annotations
import __future__

import marshal
import os

from .start import FILE, JOINED, source, stamp

FUTURE = "from __future__ import annotations\n"


def write(prefix: str = "") -> bool:
    """Write the file so that a reader sees the old or the new; False if that cannot be done, which costs only time.

    `prefix` is what stands before the paths that the modules will have (an installation below DESTDIR).
    """
    new = f"{FILE}.{os.getpid()}"
    try:
        modules = [_module(name, prefix) for name in JOINED]
        os.makedirs(os.path.dirname(FILE), exist_ok=True)
        with open(new, "wb") as stream:
            stream.write(marshal.dumps(modules))
        os.replace(new, FILE)
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _module(name: str, prefix: str) -> tuple[str, tuple[int, int], object]:
    path = source(name)
    known = stamp(path)
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    flags = __future__.annotations.compiler_flag if FUTURE in text else 0
    shown = path.removeprefix(prefix)
    code = compile(text.replace(FUTURE, "\n", 1), shown, "exec", flags=flags, dont_inherit=True, optimize=2)
    return name, known, code
