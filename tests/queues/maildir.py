"""bin/maildir-queue in the hands of a test: a message, and what is in the Maildir afterwards."""

from __future__ import annotations

from pathlib import Path

from ..support.queue_program import Outcome, QueueProgram, envelope_of

MESSAGE = b"Subject: hello\n\nFirst line\nlast line\n"
ENVELOPE = envelope_of(b"joe@example.net", b"ann@example.org")


def run(tmp_path: Path, message: bytes, envelope: bytes, prefix: tuple[str, ...] = ()) -> Outcome:
    env = {"MAILDIR": str(tmp_path / "Maildir")}
    with QueueProgram("maildir-queue", tmp_path, env=env, prefix=prefix) as program:
        program.message(message)
        program.envelope(envelope)
        return program.wait()


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "Maildir").rglob("*") if not path.is_dir()]
