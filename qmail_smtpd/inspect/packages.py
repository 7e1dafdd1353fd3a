"""Whether the packages of others are there for the Python that runs the programs."""

from __future__ import annotations

from .. import thirdparty
from .findings import Report
from .memory import limited

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
            report.error("packages", f"{name} is missing, make install again: {error}")
        except Exception as error:
            if limited():
                continue  # too little memory for all of them at once; what the limit is too low for, memory.py tells
            report.error("packages", f"{name} cannot be imported, make install again: {type(error).__name__}: {error}")
