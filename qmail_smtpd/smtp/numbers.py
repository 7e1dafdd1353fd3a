"""Decimal numbers as control files, variables and commands write them (SPEC sections 1 and 2)."""

from __future__ import annotations

BIGGEST = (1 << 64) - 1  # numbers saturate here


def leading_number(text: bytes, default: int) -> int:
    """The decimal digits at the start of `text` as a number, saturating at 2**64-1; `default` without any."""
    end = 0
    while text[end : end + 1].isdigit():
        end += 1
    if end == 0:
        return default
    digits = text[:end].lstrip(b"0")
    return min(int(digits or b"0"), BIGGEST) if len(digits) < 30 else BIGGEST
