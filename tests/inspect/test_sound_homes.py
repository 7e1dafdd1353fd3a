"""qmail-smtpd-check says nothing of a home that is in order: all homes of the recorded sessions are looked at."""

from __future__ import annotations

import json
import os
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from qmail_smtpd.control.files import enter_home
from qmail_smtpd.inspect.check import inspect
from qmail_smtpd.inspect.findings import Report

from ..support.scenario import Scenario, environment, load
from ..support.scripted_home import make_home

# What some sessions are about, so that these homes are not in order: words of a finding.
MISTAKES = (
    "RELAYCLIENT for every client",
    "passwords travel in clear",
    "has no effect",
    "does not exist",
    "is a folder",
    "is not a file",
    "levels of symbolic links",
    "is empty",
    "only root can read it",
    "Permission denied",
    "is no number",
    "write BASE ACTION MATCHON MESSAGE",
    "counts as reject",
    "a NUL",
    "begins with a blank",
    "never match",
    "only this address without a domain",
    "anybody can use this sender",
    "are both set",
    "may deliver an address with % or !",
    "corrupt constant database",
    "nobody can authenticate",
    "did you mean STRICT",
    "others may read or change this key",
)
# What the check imports to see whether it is there: here, once, and not in each of the processes that are forked.
PACKAGES = ("_crypt_r", "_ldap", "aiodns", "cryptography.hazmat.primitives.asymmetric.ed25519", "pycdb", "pydnsbl")
LEAST = 450  # homes in which there is nothing to find


def found(scenario: Scenario, home: Path) -> list[str]:
    """In a process of its own, which the home becomes the working directory of."""
    make_home(home, scenario.script)
    env = {name.encode(): os.fsencode(value) for name, value in environment(home, scenario.script).items()}
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            report = Report()
            enter_home(env)
            inspect(report, env, "", False)
            os.write(writer, json.dumps([str(finding) for finding in report.findings]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    shutil.rmtree(home)
    return [str(finding) for finding in json.loads(text)]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    for package in PACKAGES:
        import_module(package)
    folder = tmp_path_factory.mktemp("homes")
    scenarios = [one for one in load() if not one.script.get("no_home")]
    return {one.name: found(one, folder / str(number)) for number, one in enumerate(scenarios)}


def test_a_finding_is_what_a_session_is_about(findings: dict[str, list[str]]) -> None:
    said = [(name, text) for name, texts in findings.items() for text in texts]
    assert [(name, text) for name, text in said if not any(words in text for words in MISTAKES)] == []
    of_others = "only root can read it" if os.geteuid() else "Permission denied"
    assert [words for words in MISTAKES if not any(words in text for _, text in said)] in ([], [of_others])


def test_most_homes_are_in_order(findings: dict[str, list[str]]) -> None:
    assert sum(not texts for texts in findings.values()) >= LEAST
