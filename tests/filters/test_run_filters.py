"""`make run-filters` as a newcomer meets it."""

from __future__ import annotations

import re
import shlex
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.processes import ROOT, accepts, free_port, program, running
from .real import GTUBE


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, Path]]:
    """Its working directory, its port and its output."""
    folder = tmp_path_factory.mktemp("newcomer")
    port, log = free_port(), folder / "log"
    argv = [str(ROOT / "contrib" / "run-filters"), str(port)]
    with running(argv, cwd=folder, log=log, ready=lambda: accepts(port)):
        yield folder, port, log
    (temporary,) = set(re.findall(r"/tmp/run-filters-\w+", log.read_text()))
    assert not Path(temporary).exists()


def command(log: Path, above: str) -> list[str]:
    """What it says can be tried: the command below that line."""
    text = log.read_text().partition(above)[2]
    return shlex.split(re.match(r"\n((?:.*\\\n)*.*)\n", text)[1].replace("\\\n", " "))  # type: ignore[index]


def test_a_letter_and_spam(started: tuple[Path, int, Path]) -> None:
    folder, _, log = started
    letter, spam = command(log, "X-Spamd-Result:"), command(log, "spam filter recognises (554):")
    assert subprocess.run([program("curl"), *letter[1:]], timeout=60).returncode == 0
    refused = subprocess.run([program("curl"), *spam[1:]], timeout=60, capture_output=True, text=True)
    assert "554 5.7.1 Gtube pattern" in refused.stderr
    (stored,) = (folder / "var/filters-home/Maildir/new").iterdir()
    assert b"\nX-Spamd-Result: default: False [" in stored.read_bytes()


def test_what_rspamd_would_say(started: tuple[Path, int, Path]) -> None:
    _, _, log = started
    told = subprocess.run(command(log, "would decide and change:"), timeout=60, capture_output=True, text=True)
    assert "log: rspamd edits: add X-Spamd-Result: default: False" in told.stdout, told.stdout + told.stderr


def test_through_a_library(started: tuple[Path, int, Path]) -> None:
    with smtplib.SMTP("127.0.0.1", started[1]) as smtp, pytest.raises(smtplib.SMTPDataError) as refused:
        smtp.sendmail("me@client.example", "you@example.org", f"Subject: x\n\n{GTUBE}\n")
    assert refused.value.smtp_code == 554
