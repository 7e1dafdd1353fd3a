"""NOBOUNCE: no empty sender (SPEC section 5, MAIL 8)."""

from __future__ import annotations

import pytest

from ..support.inprocess import play


@pytest.mark.parametrize("path", ["<>", "<#@[]>", '<"">', "<@a,@b:>"])
def test_refused(path: str) -> None:
    play(f"C: MAIL FROM:{path}\nS: 554", NOBOUNCE="")
    play(f"C: MAIL FROM:{path}\nS: 250")


def test_others_pass() -> None:
    play("C: MAIL FROM:<a@b.example>\nS: 250", NOBOUNCE="")
