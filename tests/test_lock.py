"""contrib/requirements.lock: all that make installs with pip is pinned and has hashes, and pip refuses the rest."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from .support.processes import ROOT

REQUIREMENTS = runpy.run_path(str(ROOT / "contrib" / "requirements"))
LOCK = (ROOT / "contrib" / "requirements.lock").read_text()
GROUPS: dict[str, list[str]] = REQUIREMENTS["groups"]()
ENTRY = re.compile(r"[\w.-]+==[\w.]+( ; [^\\\n]+)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+")


def printed(*groups: str, tree: Path = ROOT) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(tree / "contrib" / "requirements"), *groups]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("group", GROUPS)
def test_what_setup_cfg_names_is_in_it(group: str) -> None:
    done = printed(group)
    assert done.returncode == 0, done.stderr
    names = {REQUIREMENTS["name_of"](line) for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert {REQUIREMENTS["name_of"](wanted) for wanted in GROUPS[group]} <= names


def test_every_entry_is_pinned_and_has_hashes() -> None:
    entries: list[tuple[set[str], str]] = REQUIREMENTS["entries"]()
    assert len(entries) > 30
    for groups, lines in entries:
        assert groups and groups <= set(GROUPS)
        assert ENTRY.fullmatch(lines.rstrip("\n") + "\n"), lines


def test_it_names_no_place() -> None:
    assert "://" not in LOCK and "index" not in LOCK


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "contrib").mkdir()
    for name in ("setup.cfg", "contrib/requirements", "contrib/requirements.lock"):
        (tmp_path / name).write_text((ROOT / name).read_text().replace("    pytest\n", "    pytest\n    newcomer>=3\n"))
    done = printed("run", "test", tree=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "newcomer>=3 of setup.cfg is not in contrib/requirements.lock: make lock\n"


def test_make_and_ci_install_nothing_else() -> None:
    """pip is only called in one place, with hashes, and builds fetch no tools of their own."""
    calls = {}
    for path in (ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / "contrib").iterdir()):
        if path.is_file() and (lines := re.findall(r".*\bpip install\b.*", path.read_text())):
            calls[path.name] = lines
    assert list(calls) == ["pip-install"] and len(calls["pip-install"]) == 1
    assert "--require-hashes --no-build-isolation -r " in calls["pip-install"][0]


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    """A package of our own, so that nobody has to be asked."""
    source = tmp_path / "package"
    source.mkdir()
    (source / "setup.py").write_text("from setuptools import setup\nsetup(name='trial', version='1')\n")
    pip = [str(ROOT / ".venv" / "bin" / "pip"), "--isolated"]
    build = ["wheel", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", "-w", str(tmp_path / "wheels")]
    subprocess.run([*pip, *build, str(source)], check=True, capture_output=True)
    wanted = tmp_path / "wanted"
    wanted.write_text(f"trial==1 --hash=sha256:{'0' * 64}\n")
    argv = ["install", "--no-index", "--find-links", str(tmp_path / "wheels"), "--target", str(tmp_path / "out")]
    done = subprocess.run([*pip, *argv, "--require-hashes", "-r", str(wanted)], capture_output=True, text=True)
    assert done.returncode != 0 and "DO NOT MATCH THE HASHES" in done.stderr
    assert not list((tmp_path / "out").glob("trial*"))
