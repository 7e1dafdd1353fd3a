"""What is long: 100,000 lines of rcpthosts, as text and as a constant database, and 10,000 recipients."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from measure import Cost, Step, interleaved, run, step
from place import CLIENT, OURS, Place, body, mailfront, talk
from scale import Scale
from table import Row, compared

from tests.support.processes import program

DOMAINS = 100_000


def rows(place: Place, scale: Scale) -> list[Row]:
    return [*_rcpthosts(place, scale), *_recipients(place, scale)]


def _rcpthosts(place: Place, scale: Scale) -> list[Row]:
    """One session to one recipient whose domain stands in the last line."""
    names = [f"customer{number}.example.com" for number in range(DOMAINS - 1)] + ["example.org"]
    text = place.home("text", {"rcpthosts": "\n".join(names)})
    cdb = place.home("cdb")
    (cdb / "control/rcpthosts").unlink()
    make_cdb(cdb / "control/rcpthosts.cdb", names)
    said = place.file("session", talk(body(1024)))
    homes = ("home", "text", "cdb")
    steps: dict[str, Step | None] = {h: partial(run, [OURS], place.env(h, **CLIENT), said) for h in homes}
    steps["mailfront"] = step(mailfront(), place.env("text", **CLIENT), said)
    costs = interleaved(scale.rounds(60), steps)
    assert text.exists()
    return [
        compared("session, rcpthosts of 100,000 lines", "one line", costs["text"], costs["home"]),
        compared("session, rcpthosts.cdb of 100,000", "one line", costs["cdb"], costs["home"]),
        compared("session, rcpthosts of 100,000 lines", "mailfront, the same", costs["text"], costs["mailfront"]),
    ]


def make_cdb(path: Path, names: list[str]) -> None:
    """With tinycdb's cdb: a key for each name, no data."""
    lines = "".join(f"+{len(name)},0:{name}->\n" for name in names) + "\n"
    subprocess.run([program("cdb"), "-c", str(path)], input=lines.encode(), check=True)


def _recipients(place: Place, scale: Scale) -> list[Row]:
    """The cost of one more recipient: a session with many less a session with one, over how many there were."""
    counts = (1, 1_000, 10_000)
    files = {n: place.file(f"to-{n}", talk(body(1024), [f"r{k}@example.org" for k in range(n)])) for n in counts}
    env = place.env(**CLIENT)
    steps: dict[str, Step | None] = {str(n): partial(run, [OURS], env, file) for n, file in files.items()}
    steps["mailfront"] = step(mailfront(), env, files[10_000])
    costs = interleaved(scale.rounds(20), steps)
    thousand = [_less(a, b).over(999) for a, b in zip(costs["1000"], costs["1"], strict=True)]
    ten = [_less(a, b).over(9_999) for a, b in zip(costs["10000"], costs["1"], strict=True)]
    return [
        compared("one of 10,000 recipients", "one of 1,000", ten, thousand, [("CPU", "<=", 1.2)], unit="µs"),
        compared("session to 10,000 recipients", "mailfront", costs["10000"], costs["mailfront"]),
    ]


def _less(cost: Cost, other: Cost) -> Cost:
    return Cost(cost.cpu - other.cpu, cost.wall - other.wall)
