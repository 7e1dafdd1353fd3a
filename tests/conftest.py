"""Fixtures that every folder of tests has."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from .support.home import Home
from .support.outcomes import Outcomes
from .support.scenario import STEPS, Scenario

# How long an example takes says something of the machine, not of the program.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A qmail home with the usual control files and a queue program that keeps what it is given."""
    return Home(tmp_path / "home")


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
