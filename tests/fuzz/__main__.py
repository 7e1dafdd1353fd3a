"""python -m tests.fuzz NAME [libFuzzer's options]: run one target with atheris until told otherwise.

python -m tests.fuzz SECONDS: run every target for so long, one after the other, and print how many inputs it took. Exit
status 1 if one of them failed; its output says which input did it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path


def main() -> int:
    if sys.argv[1].isdigit():
        names = sorted(path.stem.removeprefix("fuzz_") for path in Path(__file__).parent.glob("fuzz_*.py"))
        failed = [name for name in names if not took_everything(name, sys.argv[1])]
        return int(bool(failed))
    fuzz(sys.argv[1], sys.argv[2:])
    return 0


def fuzz(name: str, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["qmail_smtpd"]):
        target = import_module(f"tests.fuzz.fuzz_{name}")
    atheris.Setup([sys.argv[0], *options], target.one_input)
    atheris.Fuzz()


def took_everything(name: str, seconds: str) -> bool:
    argv = [sys.executable, "-m", "tests.fuzz", name, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024"]
    run = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    found = re.search(r"Done (\d+) runs", run.stderr)
    if run.returncode or not found:
        print(f"{name:<12} failed\n{run.stdout}{run.stderr[-4000:]}")
        return False
    print(f"{name:<12} {int(found[1]):>12,} inputs", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
