"""Every fuzz target takes some hundreds of inputs: random bytes, and words of its own language put together."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from random import Random

import pytest

TARGETS = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))
WORDS = (
    *(b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<", b"DATA\r\n.\r\n", b"\r\n", b"Content-Type: multipart/mixed; boundary="),
    *(b"v=spf1 include:%{d} -all", b"v=1; a=rsa-sha256", b"p=none; sp=", b"action=DEFER_IF_PERMIT x", b"[rcpt]\n"),
    b"\0\0\0\5O",
)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_anything(name: str) -> None:
    target = import_module(f"tests.fuzz.{name}")
    random = Random(name)
    for _ in range(300):
        pieces = [random.choice(WORDS), random.randbytes(random.randrange(40))]
        target.one_input(b"".join(random.choices(pieces, k=random.randrange(5))))
