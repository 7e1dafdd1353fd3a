"""Every recorded session against the real program: the same replies, the same message and envelope in the queue."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..support.outcomes import Outcomes
from ..support.scenario import SESSIONS, WHOLE, Scenario, compared, differences, essence, load

SCENARIOS = load()
CORRECTIONS: dict[str, Any] = json.loads((SESSIONS / "corrections.json").read_text())


def as_recorded(scenario: Scenario) -> bool:
    """Whether the record, or some of it, is what has to come out."""
    return scenario.name not in CORRECTIONS or "bug_allows" in scenario.script


def named(scenarios: list[Scenario]) -> Any:
    return pytest.mark.parametrize("scenario", scenarios, ids=lambda scenario: scenario.name)


def report(scenario: Scenario, problems: list[str], outcome: dict[str, Any]) -> str:
    about = scenario.script.get("about", "")
    return "\n".join([f"{scenario.name} ({about}) differs", *problems, "log:", outcome["log"]])


@named([scenario for scenario in SCENARIOS if as_recorded(scenario)])
def test_as_recorded(scenario: Scenario, outcomes: Outcomes) -> None:
    outcome = outcomes.of(scenario)
    allowed = scenario.script.get("bug_allows", []) if scenario.name in CORRECTIONS else []
    expected, got = (
        {k: v for k, v in compared(record).items() if k not in allowed} for record in (scenario.recorded, outcome)
    )
    problems = differences(expected, got)
    assert not problems, report(scenario, problems, outcome)
    assert "Traceback" not in outcome["log"], outcome["log"]


@pytest.mark.parametrize(
    ("scenario", "delivery"),
    [
        pytest.param(scenario, CORRECTIONS[scenario.name].get("delivery", WHOLE), id=scenario.name)
        for scenario in SCENARIOS
        if scenario.name in CORRECTIONS
    ],
)
def test_better_than_recorded(scenario: Scenario, delivery: str, outcomes: Outcomes) -> None:
    """SPEC section 13: where the reference was wrong. corrections.json has the right outcome, and why."""
    right = CORRECTIONS[scenario.name]
    outcome = outcomes.of(scenario, delivery)
    told = report(scenario, [right["why"]], outcome)
    codes = [(reply["code"] or reply["text"], reply["esc"]) for reply in outcome["replies"]]
    expected = [(code, esc or None) for code, _, esc in (reply.partition(" ") for reply in right["replies"])]
    assert [code for code, _ in codes] == [code for code, _ in expected], told
    assert not [pair for pair, want in zip(codes, expected, strict=True) if want[1] and pair != want], told
    assert outcome["exit"] == right["exit"], told
    assert not outcome["partial"], told
    assert not any("bare_lf" in reply for reply in outcome["replies"]), told
    queued = essence(outcome)["queue"]
    assert len(queued) == right["envelopes"], told
    for message in queued:
        assert message["msg"].startswith(right.get("queue_begins", "")), message
        assert {name: message[name] for name in right.get("queue", {})} == right.get("queue", {})
    assert {text: outcome["log"].count(text) for text in right.get("log_counts", {})} == right.get("log_counts", {})


def test_every_correction_is_of_a_bug_or_decided() -> None:
    """The reference was wrong, or we have decided otherwise: `why` says what for."""
    bugs = {scenario.name for scenario in SCENARIOS if scenario.bug}
    assert all(name in bugs or correction.get("decided") for name, correction in CORRECTIONS.items())
    assert set(CORRECTIONS) <= {scenario.name for scenario in SCENARIOS}
