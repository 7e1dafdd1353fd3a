"""Fuzz the packets of POP before SMTP, requests and replies."""

from __future__ import annotations

from qmail_smtpd.pbs.packet import BadRequest, read_reply, read_request


def one_input(data: bytes) -> None:
    try:
        read_request(data)
    except BadRequest:
        pass
    try:
        read_reply(data, data[2:6])
    except BadRequest:
        pass
