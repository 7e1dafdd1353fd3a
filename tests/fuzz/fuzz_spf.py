"""Fuzz SPF: any record, any name, any answer of the DNS gives a result."""

from __future__ import annotations

from typing import Any

from qmail_smtpd.mailauth import spf
from qmail_smtpd.mailauth.dns import NoSuchName, Temporary

RESULTS = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}


def one_input(data: bytes) -> None:
    """Lines: a record each, given in turn to whoever asks for TXT; other questions are answered from the bytes."""
    texts = data.split(b"\n")
    asked = [0]

    def lookup(name: bytes, rtype: str) -> list[Any]:
        asked[0] += 1
        byte = data[asked[0] % len(data)] if data else 0
        if rtype == "TXT":
            return [b"v=spf1 " + texts[asked[0] % len(texts)]]
        if byte % 5 == 0:
            raise NoSuchName(name)
        if byte % 5 == 1:
            raise Temporary("no answer")
        values = {"A": [b"\xc0\0\2" + bytes((byte,))], "AAAA": [bytes(15) + bytes((byte,))], "MX": [(byte, texts[0])]}
        return values.get(rtype, [texts[-1]])

    client = data[:4].ljust(4, b"\1") if len(data) % 2 else data[:16].ljust(16, b"\1")
    result = spf.check(lookup, client, texts[0] + b"@" + texts[-1], b"helo.example")
    assert result.result in RESULTS and asked[0] < 500
