"""Fixtures that every folder of tests has."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from .support.certificates import Pki
from .support.home import Home
from .support.outcomes import Outcomes
from .support.processes import ROOT
from .support.scenario import STEPS, Scenario

# How long an example takes says something of the machine, not of the program.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    """As root some programs are started as other users, who have to reach this tree."""
    closed = [folder for folder in (ROOT, *ROOT.parents) if os.getuid() == 0 and not folder.stat().st_mode & 0o001]
    if closed:
        pytest.exit(f"other users may not enter {closed[0]}: put the tree elsewhere, or run .ci/run", 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts programs as other users says that it needs root, instead of failing."""
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("root"):
                item.add_marker(pytest.mark.skip(reason="needs root: sudo make test"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A qmail home with the usual control files and a queue program that keeps what it is given."""
    return Home(tmp_path / "home")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificate authorities of the module's own."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def public_folder() -> Iterator[Path]:
    """A temporary folder that also an unprivileged user can enter; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="qmail-smtpd-tests."))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, public_folder: Path) -> Iterator[Outcomes]:
    """The recorded sessions that the module's selected tests ask for (`scenario`, `delivery`), all started at once."""
    items = [item for item in request.session.items if getattr(item, "module", None) is request.module]
    specs = [item.callspec.params for item in items if hasattr(item, "callspec") and "outcomes" in item.fixturenames]
    made = Outcomes(public_folder)
    made.start(
        (spec["scenario"], spec.get("delivery", STEPS)) for spec in specs if isinstance(spec.get("scenario"), Scenario)
    )
    yield made
    made.close()
