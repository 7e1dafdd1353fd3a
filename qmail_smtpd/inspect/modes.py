"""Whether a configuration would gain from the resident mode: by what a process for each connection opens anew."""

from __future__ import annotations

from .combinations import certificate
from .findings import Report
from .home import Home
from .settings import Setting

DEAR = ("RCPTCHECK", "SENDERCHECK", "SMTPAUTH", "RBL", "RETURNMXCHECK")


def judge(report: Report, settings: list[Setting], home: Home) -> None:
    """A hint, not a finding: nothing here says how the program is started, or how often."""
    if home.control.number("sessionsperprocess", 0) > 1:
        return  # whoever wrote it knows
    found = ["TLS"] if any(certificate(setting, home) for setting in settings) else []
    found += [name for name in DEAR if any(setting.sets(name) for setting in settings)]
    if found:
        what = ", ".join(found)
        report.hint(
            f"{what}: a process for each connection loads and opens this anew; where many connect, the resident mode"
            " costs a fraction of it, see RESIDENT MODE in qmail-smtpd(8)"
        )
