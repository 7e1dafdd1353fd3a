#!/usr/bin/env python3
"""make bench: measure qmail-smtpd beside its peers and print one table (README.md says how to read it).

bench/run.py [--quick] [--big] [--write] [--only GROUP,GROUP..]
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # some servers are those of the tests

import measure  # noqa: E402
import place  # noqa: E402
import report  # noqa: E402
from scale import Scale  # noqa: E402
from table import Row, markdown  # noqa: E402

# Group -> module; a module has rows(place, scale) -> list[Row].
GROUPS = {
    "session": "one_session",
    "steps": "steps",
    "rate": "rates",
    "throughput": "throughput",
    "memory": "memory",
    "lists": "long_lists",
    "features": "features",
    "slope": "slope",
    "lookup": "lookups",
    "authentication": "authentication",
    "dkim": "signatures",
    "held": "held",
    "milters": "milters",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that it works, and roughly how fast")
    parser.add_argument("--big", action="store_true", help="also a message of 1 GB")
    parser.add_argument("--write", action="store_true", help="put the table into bench/README.md")
    parser.add_argument("--only", default=",".join(GROUPS), help="groups: " + ", ".join(GROUPS))
    options = parser.parse_args()
    groups = options.only.split(",")
    if unknown := set(groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    measure.adopt_orphans()
    rows = measured(groups, Scale(options.quick, options.big))
    table = markdown(rows)
    print(report.machine() + "\n" + table, end="")
    if options.write:
        report.write(HERE / "README.md", table, quick=options.quick)


def measured(groups: list[str], scale: Scale) -> list[Row]:
    """The rows of all groups; progress goes to fd 2."""
    rows: list[Row] = []
    with place.made() as there:
        for group in groups:
            begin = time.monotonic()
            rows += import_module(GROUPS[group]).rows(there, scale)
            print(f"{group}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return rows


if __name__ == "__main__":
    main()
