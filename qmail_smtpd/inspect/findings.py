"""The findings of qmail-smtpd-check, and how they are printed: one line each, or as JSON."""

from __future__ import annotations

import json

from ..control.files import ControlError
from ..logs.log import escaped

CLEAN, WARNINGS, ERRORS = 0, 1, 2


class Finding:
    """One finding. `severity` is "error" (it does not work, or is not safe) or "warning" (it may not be intended)."""

    def __init__(self, severity: str, file: str, line: int, text: str) -> None:
        self.severity = severity
        self.file = file
        self.line = line  # 0: the file as a whole
        self.text = text

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.severity}: {place}: {self.text}"

    def as_json(self) -> dict[str, object]:
        return {"severity": self.severity, "file": self.file, "line": self.line or None, "text": self.text}


class Report:
    """The findings in the order in which they were made, each once."""

    def __init__(self) -> None:
        self._findings: dict[str, Finding] = {}
        self.hints: list[str] = []  # lines that are printed behind the findings
        self.note = ""  # the last line

    @property
    def findings(self) -> list[Finding]:
        return list(self._findings.values())

    def error(self, file: str, text: str, line: int = 0) -> None:
        self._add(Finding("error", file, line, text))

    def warning(self, file: str, text: str, line: int = 0) -> None:
        self._add(Finding("warning", file, line, text))

    def hint(self, text: str) -> None:
        """Advice that is no finding: printed behind them, and not in JSON."""
        self.hints.append(f"hint: {text}\n")

    def unusable(self, trouble: ControlError) -> None:
        """Report a ControlError, with which a program would refuse to work. Its path may be FILE:LINE."""
        file, _, line = shown(trouble.path).rpartition(":")
        if line.isdigit() and file:
            self.error(file, shown(trouble.reason), int(line))
        else:
            self.error(shown(trouble.path), shown(trouble.reason))

    def status(self) -> int:
        """The exit status."""
        severities = {finding.severity for finding in self.findings}
        return ERRORS if "error" in severities else WARNINGS if severities else CLEAN

    def text(self, as_json: bool) -> str:
        """Everything that is printed."""
        if as_json:
            return json.dumps([finding.as_json() for finding in self.findings], indent=1) + "\n"
        found = "".join(f"{finding}\n" for finding in self.findings) or "nothing found\n"
        found += "".join(self.hints)
        return f"{found}{self.note}\n" if self.note else found

    def _add(self, finding: Finding) -> None:
        self._findings.setdefault(str(finding), finding)


def shown(text: bytes) -> str:
    """Bytes from a file or the environment, safe for a terminal."""
    return escaped(text).decode("ascii")
