"""A hint at the resident mode, for configurations in which every new process has much to load."""

from __future__ import annotations

from ..smtp.numbers import leading_number
from .combinations import certificate
from .findings import Report
from .home import Home
from .settings import Setting

EXPENSIVE = ("RCPTCHECK", "SENDERCHECK", "SMTPAUTH", "RBL", "RETURNMXCHECK")


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    """A hint and no finding, since it is unknown how the program is started and how many clients connect."""
    if leading_number(home.line("sessionsperprocess"), 0) > 1:
        return  # the administrator knows the resident mode
    found = ["TLS"] if any(certificate(setting, home) for setting in settings) else []
    found += [name for name in EXPENSIVE if any(setting.sets(name) for setting in settings)]
    if found:
        what = ", ".join(found)
        report.hint(
            f"{what}: a process for each connection loads and opens this anew; with many connections the resident mode"
            " costs a fraction of that, see RESIDENT MODE in qmail-smtpd(8)"
        )
