"""Run recorded SMTP sessions (tests/session/recorded) with the real program and compare the outcomes.

    outcome = run(scenario, folder, delivery)       one session in a home made for it under `folder`
    differences(expected, outcome)                  field by field, as lines fit for a failure message

Three ways to deliver what the client says: STEPS as the scenario has it, waiting for replies; WHOLE, everything in one
write; BYTES, one byte at a time, each read by the program before the next is sent.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .home import TCP_ENVIRONMENT
from .processes import ROOT
from .scripted_client import BYTES, TIMEOUT, WHOLE, Client, payload
from .scripted_home import constant_database, expanded, helper_records, kill_helpers, make_home
from .zone import served

__all__ = [
    "BYTES",
    "STEPS",
    "WHOLE",
    "Scenario",
    "compared",
    "constant_database",
    "differences",
    "essence",
    "load",
    "run",
]

SESSIONS = ROOT / "tests" / "session" / "recorded"
STEPS = "steps"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", **TCP_ENVIRONMENT, "LOGLEVEL": "3"}
COMPARED_KEYWORDS = ("PIPELINING", "SIZE", "STARTTLS", "AUTH", "8BITMIME")


@dataclass(frozen=True)
class Scenario:
    """A session's script and the record of it."""

    name: str
    script: dict[str, Any]
    recorded: dict[str, Any]

    @property
    def bug(self) -> bool:
        """Whether the original, which was recorded, is wrong here."""
        return bool(self.script.get("known_bug"))

    @property
    def weight(self) -> int:
        """Roughly the seconds it takes."""
        return int(self.script.get("weight", 0))

    def said(self) -> bytes:
        """All that the client sends, as far as the record tells that it was sent."""
        data = b""
        for number, step in enumerate(self.script["steps"]):
            data += payload(step)
            codes = [reply["code"] for reply in self.recorded["replies"] if reply["step"] == number]
            if "if354" in step and "354" in codes:
                data += step["if354"].encode("latin1")
        return data

    def can_be_pipelined(self) -> bool:
        """Whether the outcome does not depend on when the client sends its lines, or on its closing the connection."""
        timing = ("starttls", "close", "sleep", "min")
        return not self.weight and not any(word in step for step in self.script["steps"] for word in timing)


def load() -> list[Scenario]:
    """All scenarios, in the order of the files."""
    found = []
    for file in sorted((SESSIONS / "scenarios").glob("*.json")):
        records = {record["name"]: record for record in json.loads((SESSIONS / "expected" / file.name).read_text())}
        found += [Scenario(script["name"], script, records[script["name"]]) for script in json.loads(file.read_text())]
    return found


def run(scenario: Scenario, folder: Path, delivery: str = STEPS) -> dict[str, Any]:
    """Run one session; its outcome in the form of a record, with `log` added."""
    home = folder / f"{scenario.name}.{delivery}"
    script = scenario.script
    with ExitStack() as stack:
        make_home(home, script)
        stack.callback(shutil.rmtree, home)
        env = environment(home, script)
        if "dns" in script:
            env["DNSCACHEIP"] = f"127.0.0.1:{stack.enter_context(served(script['dns']))}"
        ours, theirs = socket.socketpair()
        stack.callback(ours.close)
        process = _start(folder, theirs, env, script)
        log = _Drain(process.stderr)
        client = Client(ours, scenario.recorded)
        if delivery == STEPS:
            client.play(script["steps"])
        else:
            client.recite(scenario.said(), delivery)
        client.settle()
        outcome = {**client.record(), "name": scenario.name, "exit": _ended(process)}
        if not log.all_ended():
            kill_helpers(process.pid, home)
        outcome["log"] = log.text()
        outcome.update(helper_records(home, script))
    return outcome


# The process


def environment(home: Path, script: dict[str, Any]) -> dict[str, str]:
    wanted = {**ENVIRONMENT, **script.get("env", {})}
    env = {name: expanded(home, value) for name, value in wanted.items() if value is not None}
    return {**env, "QMAILHOME": str(home / "nonexistent" if script.get("no_home") else home)}


def _start(folder: Path, theirs: socket.socket, env: dict[str, str], script: dict[str, Any]) -> subprocess.Popen[bytes]:
    uid = script.get("uid") if os.getuid() == 0 else None  # whoever is not root already is as good as nobody
    program = ROOT / "bin" / "qmail-smtpd" if uid is None else public_copy(folder) / "bin" / "qmail-smtpd"
    with theirs:
        return subprocess.Popen(
            [os.fspath(program)],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            env=env,
            cwd="/",
            start_new_session=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )


_copying = threading.Lock()


def public_copy(folder: Path) -> Path:
    """The program where everybody may read it: the tree may lie in a private folder."""
    copy = folder / "public"
    with _copying:
        if not copy.exists():
            for name in ("bin", "qmail_smtpd"):
                shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            if (ROOT / ".venv").exists():
                (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


def _ended(process: subprocess.Popen[bytes]) -> int | str:
    try:
        return process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "hung"


class _Drain:
    """Reads the log to its end. That comes when the program and all it started have ended: they inherit the pipe."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._data = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream as stream:
            self._data = stream.read()

    def all_ended(self) -> bool:
        self._thread.join(TIMEOUT)
        return not self._thread.is_alive()

    def text(self) -> str:
        self._thread.join()
        return self._data.decode("latin1")


# Comparing


def untimely(outcome: dict[str, Any]) -> bool:
    """Whether a wait was not as long as the record has it; a busy machine does that."""
    return any(expect[-1] in ("early", "late") for expect in outcome["expects"])


def essence(record: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that must be the same however the client's bytes are delivered."""
    helpers: dict[str, Any] = {name: record[name] for name in ("qmail-verify", "auth_smtp") if name in record}
    replies = [{"code": r["code"], "esc": r["esc"]} for r in record["replies"]]
    queue = [q for q in compared(record)["queue"] if q.get("accepted")]
    return {"replies": replies, "partial": bool(record["partial"]), "exit": record["exit"], "queue": queue, **helpers}


def compared(record: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that counts."""
    view = {k: v for k, v in record.items() if k not in ("log", "name")}
    view["partial"] = bool(record["partial"])
    view["replies"] = [_compared_reply(reply) for reply in record["replies"]]
    # Without a complete envelope, how much of a message reached the queue program is a matter of buffers.
    view["queue"] = [
        {k: v for k, v in q.items() if k != "rderr"} if q.get("accepted") else {"given": "no envelope"}
        for q in record["queue"]
        if q.get("accepted") or not ("envelope" in q or "unfinished" in q)
    ]
    return view


def _compared_reply(reply: dict[str, Any]) -> dict[str, Any]:
    view = {k: v for k, v in reply.items() if k != "text"}
    if "ehlo" in view:
        del view["lines"]  # more keywords than the reference had are welcome
        view["ehlo"] = [keyword for keyword in view["ehlo"] if keyword.split(" ")[0] in COMPARED_KEYWORDS]
    return view


def differences(expected: Any, got: Any, where: str = "") -> list[str]:
    """Every field that differs, one line each."""
    if where.endswith(".esc") and expected is None:
        return []  # an enhanced code where none was recorded is welcome
    if isinstance(expected, dict) and isinstance(got, dict):
        keys = sorted({*expected, *got})
        return [d for k in keys for d in differences(expected.get(k), got.get(k), f"{where}.{k}")]
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        pairs = zip(expected, got, strict=True)
        return [d for n, (e, g) in enumerate(pairs) for d in differences(e, g, f"{where}[{n}]")]
    if expected == got:
        return []
    return [f"{where.lstrip('.')}: expected {expected!r:.600}", f"{' ' * len(where)} got      {got!r:.600}"]
