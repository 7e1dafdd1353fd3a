"""Fuzz DMARC: records, the From field, and Authentication-Results fields that claim to be ours."""

from __future__ import annotations

from qmail_smtpd.mailauth import dmarc_record
from qmail_smtpd.mailauth.from_field import NoAuthor, author_domain
from qmail_smtpd.mailauth.results import claims


def one_input(data: bytes) -> None:
    dmarc_record.read(data)
    dmarc_record.read(b"v=DMARC1; p=reject;" + data)
    claims(data, b"mx.example.org")
    try:
        author_domain([(b"From", data)])
    except NoAuthor:
        pass
