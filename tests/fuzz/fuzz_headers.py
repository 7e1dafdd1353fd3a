"""Fuzz what reads header fields and records of sender authentication: From, Authentication-Results, DMARC records."""

from __future__ import annotations

from qmail_smtpd.mailauth import dmarc_record
from qmail_smtpd.mailauth.from_field import domains
from qmail_smtpd.mailauth.names import canonical
from qmail_smtpd.mailauth.results import Result, claims, field_value
from qmail_smtpd.mailauth.tokens import Unreadable

ME = b"mx.example.org"


def one_input(data: bytes) -> None:
    """The same bytes as a From field, a field that may be forged, a value that is written, and a record."""
    try:
        assert all(canonical(domain) == domain for domain in domains(data))
    except Unreadable:
        pass
    claims(data, ME)
    written = field_value(ME, [Result("spf", "pass", [("smtp.mailfrom", data)])])
    assert claims(written, ME) and max(map(len, written.split(b"\n"))) < 998
    assert not written.translate(None, bytes(range(32, 127)) + b"\n\t")
    dmarc_record.read(data)
    record = dmarc_record.read(b"v=DMARC1;" + data)
    assert record is not None and record.applies(True, lambda: True) in (b"none", b"quarantine", b"reject")
