"""Whether the third-party packages are installed for the version of Python that runs the programs."""

from __future__ import annotations

from .. import thirdparty
from .findings import Report
from .inforce import is_limited

NEEDED = ("pycdb", "_ldap", "_crypt_r", "pydnsbl", "cryptography")


def judge(report: Report) -> None:
    wrong = thirdparty.mismatch()
    if wrong:
        report.error("packages", f"{wrong}; until then databases and look-ups get 421 or 451, AUTH gets 454")
        return
    thirdparty.add_to_path()
    for name in NEEDED:
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            report.error("packages", f"{name} is missing, run make install again: {error}")
        except Exception as error:
            if is_limited():
                continue  # too little memory for all of them at once; memory.py tells what the limit is too low for
            why = f"{type(error).__name__}: {error}"
            report.error("packages", f"{name} cannot be imported, run make install again: {why}")
