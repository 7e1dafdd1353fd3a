"""Run bin/qmail-smtpd-check in a clean environment."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from .home import Home
from .processes import BIN


@dataclass
class Checked:
    """The result of a run: its exit code, and "SEVERITY FILE:LINE TEXT" for each finding."""

    code: int
    findings: list[str]

    def has(self, severity: str, place: str, *words: str) -> bool:
        """Whether a finding of this severity and place has all these words in its text."""
        start = f"{severity} {place} "
        return any(one.startswith(start) and all(word in one for word in words) for one in self.findings)


def run(home: Home, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/bin:/bin", "QMAILHOME": str(home.path), **(env or {})}
    argv = [str(BIN / "qmail-smtpd-check"), *arguments]
    return subprocess.run(argv, env=clean, capture_output=True, text=True, timeout=60, check=False)


def check(home: Home, *arguments: str, **env: str) -> Checked:
    done = run(home, "--json", *arguments, env=env)
    assert not done.stderr
    findings = []
    for one in json.loads(done.stdout):
        place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
        findings.append(f"{one['severity']} {place} {one['text']}")
    severities = {one.split()[0] for one in findings}
    assert done.returncode == (2 if "error" in severities else 1 if severities else 0)
    return Checked(done.returncode, findings)
