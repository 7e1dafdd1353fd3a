"""DKIM: one rsa-2048 signature over a body of 10 MB, verified by us, by libopendkim and by dkimpy.

The time of one verification inside a process that has all loaded (dkim_verify.py), as with workers or in a milter.
Texts with runs of blanks are what the relaxed form is dear for; attachments in base64 have none.
"""

from __future__ import annotations

import subprocess
import sys
from base64 import encodebytes
from functools import partial
from pathlib import Path
from random import Random

from measure import Cost, interleaved
from place import Place
from scale import Scale
from table import Row, compared

from tests.mailauth import dkim_worlds, signer

SIZE = 10_000_000
PEERS = {"opendkim": ("libopendkim", 1.5), "dkimpy": ("dkimpy", 0.5)}
FIELDS = [(b"From", b" A <a@example.org>"), (b"To", b" b@example.net"), (b"Subject", b" large")]


def rows(place: Place, scale: Scale) -> list[Row]:
    key = dkim_worlds.key("rsa 2048")
    record = place.file("dkim-record", signer.record(key))
    made = []
    for name, body in {"base64": _base64(), "text": _text()}.items():
        for form in ("simple", "relaxed"):
            field = signer.signature(FIELDS, body, key, c=f"relaxed/{form}")
            message = place.file(f"dkim-{name}-{form}", signer.joined([field, *FIELDS], body))
            steps = {who: partial(_verified, who, message, record) for who in ("ours", *PEERS)}
            costs = interleaved(scale.rounds(9), steps)
            made += [_row(f"DKIM, 10 MB of {name}, {form}", who, costs) for who in PEERS]
    return made


def _row(name: str, who: str, costs: dict[str, list[Cost]]) -> Row:
    against, limit = PEERS[who]
    return compared(name, against, costs["ours"], costs[who], [("CPU", "<=", limit)])


def _verified(who: str, message: str, record: str) -> Cost:
    program = str(Path(__file__).with_name("dkim_verify.py"))
    ran = subprocess.run([sys.executable, program, who, message, record], capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(ran.stderr)
    cpu, wall = map(float, ran.stdout.split())
    return Cost(cpu, wall)


def _base64() -> bytes:
    return encodebytes(Random(1).randbytes(SIZE * 3 // 4))


def _text() -> bytes:
    """Lines of twelve words, every fifth with two runs of blanks, every twentieth with a blank at its end."""
    dice = Random(2)
    words = [dice.randbytes(dice.randrange(1, 6)).hex().encode() for _ in range(5000)]
    lines = [b" ".join(dice.choices(words, k=12)) for _ in range(1000)]
    lines[::5] = [line.replace(b" ", b"  ", 2) for line in lines[::5]]
    lines[::20] = [line + b" " for line in lines[::20]]
    text = b"\n".join(lines) + b"\n"
    return text * (SIZE // len(text) + 1)
