"""Whether the packages of others are there for the Python that runs the programs."""

from __future__ import annotations

from .. import thirdparty
from .findings import Report

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
        except Exception as error:
            report.error("packages", f"{name} cannot be imported, make install again: {type(error).__name__}: {error}")
