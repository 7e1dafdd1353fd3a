"""The home of a recorded session: control files, databases, scripted programs, and the records these leave."""

from __future__ import annotations

import hashlib
import marshal
import os
import re
import signal
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from .processes import ROOT

SCRIPTED = ROOT / "tests" / "support" / "scripted_program"
CERTIFICATE = ROOT / "tests" / "session" / "recorded" / "cert.pem"
CONTROL = {"me": "mx.example.org\n", "rcpthosts": "example.org\n", "locals": "local.example.org\n"}

_DATE = re.compile(rb"; \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d -0000\n")
_PRODUCT = re.compile(rb"\(qmail-[^ )\n]+\) with ")
_TLS = re.compile(rb"with (TLSv1\.\d \S+)(?: fingerprint=[^\n;]*?)? encrypted SMTP")
_ENVELOPE = re.compile(rb"F[^\0]*\0(?:T[^\0]*\0)*\0", re.DOTALL)


def make_home(home: Path, script: dict[str, Any]) -> None:
    for name in ("control", "bin", "record", "users"):
        (home / name).mkdir(parents=True)
    (home / "record").chmod(0o777)
    control = {**CONTROL, **script.get("control", {})}
    if "signatures" in script:
        listed = script["signatures"]
        control["signatures"] = listed if isinstance(listed, str) else "".join(f"{line}\n" for line in listed)
    for name, text in control.items():
        if text is not None:
            _put_control(home, home / "control" / name, text)
    for name, keys in script.get("cdb", {}).items():
        raw = keys.encode("latin1") if isinstance(keys, str) else constant_database([k.encode("latin1") for k in keys])
        (home / "control" / name).write_bytes(raw)
    _put_programs(home, script)
    for name, mode in script.get("modes", {}).items():
        (home / name).chmod(mode)


def _put_control(home: Path, path: Path, text: str | dict[str, str]) -> None:
    if isinstance(text, str):
        path.write_bytes(expanded(home, text).encode("latin1"))
    elif text["special"] == "dir":
        path.mkdir()
    else:
        path.symlink_to(path.name if text["special"] == "loop" else "nonexistent")


def _put_programs(home: Path, script: dict[str, Any]) -> None:
    """Links only: a file that is open for writing while another thread forks could not be executed."""
    queue = _listed(script.get("queue", {}))
    names = {"alt-queue": queue, "qmail-queue": queue}
    for name, scripts in script.get("helpers", {}).items():
        names[name] = _listed(scripts)
    for name, scripts in names.items():
        kind = "queue" if name.endswith("-queue") else name
        (home / "record" / f"{kind}.script").write_bytes(marshal.dumps(scripts))
        (home / "bin" / name).symlink_to(SCRIPTED)
    if queue[0].get("missing") or queue[0].get("noexec"):
        (home / "bin" / "qmail-queue").unlink()
    if queue[0].get("noexec"):
        (home / "bin" / "qmail-queue").write_text("not to be executed\n")


def _listed(scripts: Any) -> list[Any]:
    return scripts if isinstance(scripts, list) else [scripts]


def expanded(home: Path, text: str) -> str:
    return text.replace("{HOME}", str(home)).replace("{CERT}", str(CERTIFICATE))


def constant_database(keys: list[bytes]) -> bytes:
    """A cdb file with these keys and empty data, after cdb's description; no code shared with the program."""
    records, tables = bytearray(2048), [[] for _ in range(256)]  # type: tuple[bytearray, list[list[tuple[int, int]]]]
    for key in keys:
        hashed = 5381
        for byte in key:
            hashed = ((hashed << 5) + hashed ^ byte) & 0xFFFFFFFF
        tables[hashed % 256].append((hashed, len(records)))
        records += struct.pack("<II", len(key), 0) + key
    for number, table in enumerate(tables):
        slots = [(0, 0)] * (2 * len(table))
        for hashed, position in table:
            slot = hashed // 256 % len(slots)
            while slots[slot][1]:
                slot = (slot + 1) % len(slots)
            slots[slot] = (hashed, position)
        struct.pack_into("<II", records, 8 * number, len(records), len(slots))
        for entry in slots:
            records += struct.pack("<II", *entry)
    return bytes(records)


# The helpers' records


def kill_helpers(leader: int, home: Path) -> None:
    """End helpers that hang. The group is ours as long as one of them is in it."""
    for path in (home / "record").glob("*.started"):
        with suppress(ProcessLookupError):
            pid = int(path.read_text())
            if os.getpgid(pid) == leader:
                os.kill(pid, signal.SIGKILL)


def helper_records(home: Path, script: dict[str, Any]) -> dict[str, Any]:
    """What the queue program and the helpers were given."""
    found: dict[str, Any] = {"queue": [_queued(home, record) for record in _records(home, "queue")]}
    for name in ("qmail-verify", "auth_smtp"):
        records = _records(home, name)
        if name in script.get("helpers", {}) or records:
            found[name] = records
    return found


def _records(home: Path, kind: str) -> list[Any]:
    found: list[Any] = []
    while (home / "record" / f"{kind}.{len(found)}.started").exists():
        done = home / "record" / f"{kind}.{len(found)}.done"
        found.append(marshal.loads(done.read_bytes()) if done.exists() else {"unfinished": True})
    return found


def _queued(home: Path, record: dict[str, Any]) -> dict[str, Any]:
    if "env" in record:
        record["env"] = {k: v and v.replace(str(home), "{HOME}") for k, v in record["env"].items()}
    if "envelope" in record:
        record["accepted"] = bool(_ENVELOPE.fullmatch(record["envelope"]))
        record["envelope"] = _shortened(record["envelope"])
    if "msg" in record:
        text = _DATE.sub(b"; DATE\n", record["msg"], count=1)
        text = _PRODUCT.sub(b"(qmail-ldap-1.03) with ", text, count=1)
        text = _TLS.sub(rb"with \1 fingerprint=no certificate presented encrypted SMTP", text, count=1)
        record["msg"] = _shortened(text)
    return record


def _shortened(data: bytes) -> str | dict[str, Any]:
    """Long data as a digest, as the records have it."""
    if len(data) <= 6000:
        return data.decode("latin1")
    head, tail = data[:500].decode("latin1"), data[-200:].decode("latin1")
    return {"len": len(data), "sha256": hashlib.sha256(data).hexdigest(), "head": head, "tail": tail}
