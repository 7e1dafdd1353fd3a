"""Where the packages of others live (pycdb, python-ldap, pydnsbl), found only when one is first needed.

The programs run isolated (`python3 -I -S`): no site scan, no PYTHON* variables, no user site. `add_to_path`
puts one folder at the end of sys.path: `site-packages` beside the package (as installed), else the one of
`.venv` beside it (a source tree), else the interpreter's own.
"""

from __future__ import annotations

import sys

_found = False


def add_to_path() -> None:
    """Make third-party imports possible. Costs a few system calls once, nothing afterwards."""
    global _found
    if _found:
        return
    _found = True
    from os.path import abspath, dirname, isdir, join

    root = dirname(dirname(abspath(__file__)))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder in (join(root, "site-packages"), join(root, ".venv", "lib", version, "site-packages")):
        if isdir(folder):
            sys.path.append(folder)
            return
    import site

    sys.path.extend(site.getsitepackages())
