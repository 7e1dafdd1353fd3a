"""Where the third-party packages are (pycdb, python-ldap, cryptography), looked for only when one is first needed.

The programs run isolated (`python3 -I -S`): no site scan, no PYTHON* variables, no user site. `add_to_path` appends
one folder to sys.path: `site-packages` beside this package (as `make install` leaves it), else that of `.venv` beside
it (a source tree), else the interpreter's own.

`mismatch` tells whether they were installed for another version of Python. After an upgrade of the system compiled
packages cannot be imported any more, and every check that needs one answers 451.
"""

from __future__ import annotations

import posix
import sys

ROOT = __file__.rpartition("/")[0] + "/.."
INSTALLED, SOURCE_TREE = f"{ROOT}/site-packages", f"{ROOT}/.venv/lib"
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"

_found = False


def add_to_path() -> None:
    """Make third-party imports possible. A few system calls the first time, not even `os`, and nothing afterwards."""
    global _found
    if _found:
        return
    _found = True
    for folder in (INSTALLED, f"{SOURCE_TREE}/{VERSION}/site-packages"):
        try:
            posix.stat(f"{folder}/.")
        except OSError:
            continue
        sys.path.append(folder if folder.startswith("/") else f"{posix.getcwd()}/{folder}")
        return
    import site

    sys.path.extend(site.getsitepackages())


def mismatch() -> str:
    """What is wrong if the packages were installed for another Python than this one; "" if nothing is."""
    own = sys.implementation.cache_tag or ""  # cpython-311
    compiled = [name.split(".")[1] for name in _names(INSTALLED) if name.endswith(".so") and ".cpython-" in name]
    if compiled:
        return "" if any(f"{tag}-".startswith(f"{own}-") for tag in compiled) else _told(compiled[0])
    versions = [name for name in _names(SOURCE_TREE) if name.startswith("python")]
    return _told(versions[0]) if versions and VERSION not in versions else ""


def _told(other: str) -> str:
    return f"the packages were installed for {other}, and this is {VERSION}: run make install again"


def _names(folder: str) -> list[str]:
    try:
        return posix.listdir(folder)
    except OSError:
        return []
