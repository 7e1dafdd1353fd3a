"""DKIM is verified in the same memory whatever the body is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import dkim_worlds, signer

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [(b"From", b" A <a@example.org>"), (b"Subject", b" large")]
MORE = 3 << 10  # KiB that 60 MB may take more than 1 MB

# Prints how much of the body was read and the peak of the resident memory in KiB. VmHWM is of this program alone.
VERIFIES = """
import sys
sys.path[:0] = [{root!r}, {packages!r}]
from qmail_smtpd.mailauth import dkim
block = {unit!r} * (65536 // len({unit!r}))
read = 0
def body():
    global read
    while read < {size}:
        read += len(block)
        yield block
dkim.verify({fields!r}, body, lambda name, rtype: [{record!r}], 1_800_000_000)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(read, peak)
"""


def peak(form: str, unit: bytes, size: int) -> int:
    """Of a program that verifies a body of `size` bytes with two signatures that are good but for the body's hash."""
    key = dkim_worlds.key("rsa 2048")
    signed = [signer.signature(FIELDS, b"", key, c=f"relaxed/{form}", l=length) for length in (None, 1000)]
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    program = VERIFIES.format(
        root=str(ROOT), packages=packages, unit=unit, size=size, fields=[*signed, *FIELDS], record=signer.record(key)
    )
    ran = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True, timeout=120)
    read, most = map(int, ran.stdout.split())
    assert read >= size
    return most


@pytest.mark.parametrize(
    "unit", [b"The quick brown fox  jumps over\tthe lazy dog. \n", b"x", b" ", b"\t", b"\n", b" \n", b"x\n"]
)
@pytest.mark.parametrize("form", ["simple", "relaxed"])
def test_60_mb_take_what_1_mb_takes(form: str, unit: bytes) -> None:
    small, large = peak(form, unit, 1 << 20), peak(form, unit, 60 << 20)
    assert large <= small + MORE, f"{small} KiB for 1 MB, {large} KiB for 60 MB"
