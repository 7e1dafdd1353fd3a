"""Fuzz the DNS codec: any bytes are an answer, no answer or BadResponse, and no more records come out than bytes."""

from __future__ import annotations

from qmail_smtpd.net.dnsmessage import TYPES, BadResponse, parse, query

KINDS = sorted(TYPES)


def one_input(data: bytes) -> None:
    """The first byte says what was asked; with its high bit the rest is a whole packet, else what comes after a
    question that is repeated as it was."""
    first = data[0] if data else 0
    rtype = KINDS[first % len(KINDS)]
    asked = query(0x1234, b"a.example", rtype)
    packet = data[1:] if first >= 128 else asked[:2] + b"\x81\x80\0\1" + data[1:7] + asked[12:] + data[7:]
    try:
        reply = parse(packet, 0x1234, b"a.example", rtype)
        assert reply is None or len(reply.records) <= len(data)
    except BadResponse:
        pass
