"""On what was measured, and the table in README.md."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from place import INTERPRETER

BEGIN, END = "<!-- table of the last run -->\n", "<!-- end of the table -->\n"
PACKAGES = ("mailfront", "ucspi-tcp", "postfix", "qpsmtpd", "slapd", "rbldnsd", "opendkim")


def machine() -> str:
    """Processor, system and versions, as lines of text."""
    interpreter = subprocess.run([INTERPRETER, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    versions = {name: _debian(name) for name in PACKAGES}
    names = [f"{name} {found}" for name, found in versions.items() if found]
    try:
        names.append(f"aiosmtpd {version('aiosmtpd')}")
    except PackageNotFoundError:
        pass
    return (
        f"{_processor()}, {os.cpu_count()} processors; Linux {platform.release()}; {interpreter} ({INTERPRETER});\n"
        f"{', '.join(names)}.\n{_left_out([name for name, found in versions.items() if not found])}"
    )


def _left_out(names: list[str]) -> str:
    return f"Not installed, so rows are left out: {', '.join(names)}.\n" if names else ""


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _debian(package: str) -> str:
    """The version of an installed Debian package, empty without one."""
    command = ["dpkg-query", "-W", "-f", "${Version}", package]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def write(readme: Path, table: str, *, quick: bool) -> None:
    """Replace what stands between the two marks."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{readme}: no place for the table")
    kind = "a quick run, rough" if quick else "a full run"
    new = f"{machine()}{time.strftime('%Y-%m-%d')}, {kind}.\n\n{table}"
    readme.write_text(before + BEGIN + new + END + after, encoding="utf-8")
