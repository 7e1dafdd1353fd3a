"""The examples of qmail-smtpd-filters(5), as they stand there: files to write and commands to run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .processes import ROOT

PAGE = ROOT / "man" / "qmail-smtpd-filters.5"


@dataclass
class Recipe:
    """`files`: absolute path -> text, those of the home (control/NAME) apart; `commands`, in order."""

    files: dict[str, str]
    control: dict[str, str]
    commands: list[list[str]]


def recipe(title: str) -> Recipe:
    """The subsection of that name."""
    page = PAGE.read_text()
    section = re.search(rf"^\.Ss {re.escape(title)}\n(.*?)(?=^\.S[sh] )", page, re.MULTILINE | re.DOTALL)
    assert section, f"there is no recipe {title}"
    blocks = re.findall(r"^\.Pa (\S+) ?:?\n\.Bd [^\n]*\n(.*?)^\.Ed", section[1], re.MULTILINE | re.DOTALL)
    files = {path: text.replace("\\e", "\\") for path, text in blocks}
    return Recipe(
        {path: text for path, text in files.items() if path.startswith("/")},
        {path.removeprefix("control/"): text for path, text in files.items() if path.startswith("control/")},
        [line.split() for line in re.findall(r"^\.Dl (.*)$", section[1], re.MULTILINE)],
    )
