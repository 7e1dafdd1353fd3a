"""Every test of the resident mode is made twice: with a process for each session, and with workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.home import Home

MODES = {"forking": "1\n", "workers": "100\n"}  # control/sessionsperprocess


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> str:
    """What control/sessionsperprocess says."""
    return MODES[request.param]


@pytest.fixture
def home(tmp_path: Path, mode: str) -> Home:
    made = Home(tmp_path / "home")
    made.control("sessionsperprocess", mode)
    return made
