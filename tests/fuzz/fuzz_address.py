"""Fuzz the addresses of MAIL and RCPT: an address or none, never longer than what was said."""

from __future__ import annotations

from qmail_smtpd.smtp.address import parse, size_parameter, split
from qmail_smtpd.smtp.ip import literal


def one_input(data: bytes) -> None:
    address, parameters = parse(data)
    size_parameter(parameters)
    if address is not None:
        assert len(address) <= len(data)
        _, domain = split(address)
        literal(domain or b"")
