"""The manual pages render without a warning, and the tables say what qmail_smtpd/control/catalogue.py says."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from qmail_smtpd.checkers import ORDER, SITE
from qmail_smtpd.control.catalogue import FILES, VARIABLES

from .support.processes import BIN, ROOT, program

PAGES = sorted((ROOT / "man").glob("*.[1-9]"))
PROGRAMS = sorted(path.name for path in BIN.iterdir())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_renders_without_warnings(page: Path) -> None:
    man = subprocess.run(
        [program("man"), "--warnings=w", "-l", str(page)], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert man.stderr == b""
    assert len(man.stdout) > 500
    lint = subprocess.run([program("mandoc"), "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True)
    assert lint.stdout + lint.stderr == ""


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_a_page(name: str) -> None:
    assert ROOT / "man" / f"{name}.8" in PAGES


def test_the_tables_are_those_of_the_code() -> None:
    tables = runpy.run_path(str(ROOT / "contrib" / "tables"))
    for path, (marks, table) in tables["TARGETS"].items():
        assert tables["replaced"](path, marks, table()) == path.read_text(), f"run contrib/tables: {path} is old"


def test_the_main_page_names_every_variable_of_the_receiver() -> None:
    page = (ROOT / "man" / "qmail-smtpd.8").read_text().replace(",", " ").split()
    ours = [one.name for one in VARIABLES.values() if one.kind != "ours" and one.program in ("qmail-smtpd", "all")]
    assert [name for name in ours if name not in page] == []


def test_the_checkers_page_names_every_check() -> None:
    page = (ROOT / "man" / "qmail-smtpd-checkers.7").read_text()
    # as an item of a list: `.It Sy name`
    assert [name for name, _ in ORDER if name != SITE and f" Sy {name}" not in page] == []


def test_every_required_and_every_optional_file_is_in_the_table() -> None:
    page = (ROOT / "man" / "qmail-smtpd-control.5").read_text()
    assert [name for name in FILES if f".It Pa {name}\n" not in page] == []


# What the code cites


def cited() -> set[str]:
    """The numbers behind "SPEC section" and "SPEC sections" in sources, tests and other papers."""
    places = [*ROOT.glob("qmail_smtpd/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("docs/*.md")]
    text = "\n".join(path.read_text() for path in places)
    found = re.findall(r"SPEC\s+sections?\s+([0-9]+(?:(?:,\s+|\s+to\s+|\s+and\s+|\s+or\s+)[0-9]+)*)", text)
    return {number for group in found for number in re.findall("[0-9]+", group)}


def test_every_cited_section_exists() -> None:
    sections = set(re.findall(r"^## ([0-9]+)\. ", (ROOT / "docs" / "protocol.md").read_text(), re.MULTILINE))
    assert sections == {str(number) for number in range(1, 24)}
    assert {"1", "6", "8"} <= cited() <= sections


@pytest.mark.parametrize("paper", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda paper: paper.name)
def test_no_link_of_a_paper_leads_nowhere(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", paper.read_text())
    assert [link for link in links if not (paper.parent / link).exists()] == []
