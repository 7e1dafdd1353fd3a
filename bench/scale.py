"""How much of everything: the full run, or `--quick`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Scale:
    quick: bool = False
    big: bool = False

    def rounds(self, full: int) -> int:
        """How often a measurement is repeated."""
        return max(full // 20, 3) if self.quick else full

    def count(self, full: int) -> int:
        """How many sessions a measurement has."""
        return max(full // 5, 4) if self.quick else full
