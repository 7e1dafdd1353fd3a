"""Runs many recorded sessions at once in a pool of threads, since they mostly wait; tests fetch the outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .scenario import STEPS, Scenario, run, untimely

AT_ONCE = 20
RUNS = 4  # of a session whose pauses came out too short or too long: a busy machine does that, but not every time


class Outcomes:
    """Outcomes by scenario and delivery, each run once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._runs: dict[tuple[str, str], Future[dict[str, Any]]] = {}

    def start(self, wanted: Iterable[tuple[Scenario, str]]) -> None:
        """Begin these, the long ones first."""
        for scenario, delivery in sorted(wanted, key=lambda pair: -pair[0].weight):
            key = (scenario.name, delivery)
            if key not in self._runs:
                self._runs[key] = self._pool.submit(_run, scenario, self._folder, delivery)

    def of(self, scenario: Scenario, delivery: str = STEPS) -> dict[str, Any]:
        """The outcome, awaited."""
        self.start([(scenario, delivery)])
        return self._runs[scenario.name, delivery].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _run(scenario: Scenario, folder: Path, delivery: str) -> dict[str, Any]:
    for _ in range(RUNS):
        outcome = run(scenario, folder, delivery)
        if not untimely(outcome):
            break
    return outcome
