"""inspect/relay.py: who may relay, in one finding for each thing that is wrong."""

from __future__ import annotations

import subprocess

import pytest

from ..support.checked import check
from ..support.home import Home
from ..support.processes import program


@pytest.mark.parametrize(
    ("rules", "severity", "words"),
    [
        ("193.", "warning", "RELAYCLIENT for 16 million addresses (193.): are they all yours?"),
        ("193-195.", "warning", "RELAYCLIENT for 3 times 16 million addresses (193. to 195.)"),
        ("0-127.", "error", "RELAYCLIENT for half of the internet or more (0. to 126.): an open relay"),
        ("1-251.", "error", "an open relay"),
    ],
)
def test_a_wide_rule_is_one_finding(home: Home, rules: str, severity: str, words: str) -> None:
    path = home.path / "rules"
    path.write_text(f'# ours\n{rules}:allow,RELAYCLIENT=""\n:allow\n')
    checked = check(home, "--rules", str(path))
    assert checked.has(severity, f"{path}:2", words), checked.findings
    assert len(checked.findings) == 1
    database = home.path / "rules.cdb"
    argv = [program("tcprules"), str(database), str(home.path / "tmp")]
    subprocess.run(argv, input=path.read_bytes(), check=True)
    assert len(check(home, "--rules", str(database)).findings) == 1


def test_no_domain_at_all(home: Home) -> None:
    """Somebody has emptied both lists, or made them anew and not filled them."""
    for name in ("locals", "rcpthosts"):
        home.control(name, "# none yet\n")
    assert check(home).findings == [
        "warning control/rcpthosts no domain is in it or in control/locals: every recipient gets 553"
    ]
    rules = home.path / "rules"
    rules.write_text('192.0.2.:allow,RELAYCLIENT=""\n:allow\n')
    assert check(home, "--rules", str(rules)).findings == []  # a relay of our own hosts only
    home.control("smtpplugins", "[rcpt]\n:echo O\n")
    assert check(home).findings == []
