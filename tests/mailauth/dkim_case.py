"""A message, its key and its signatures, for the tests of DKIM."""

from __future__ import annotations

from functools import cache
from typing import Any

from qmail_smtpd.mailauth import dkim
from qmail_smtpd.mailauth.results import Result

from . import signer
from .signer import Field

NOW = 1_800_000_000
NAME = b"one._domainkey.example.org"
FIELDS = [(b"From", b" A <a@example.org>"), (b"To", b" b@example.net"), (b"Subject", b"  Two\n\t lines ")]
BODY = b"Hello,  world \n\nthis is\tit.\n\n\n"


@cache
def key(kind: str = "rsa", bits: int = 1024) -> signer.Private:
    return signer.private_key(kind, bits)


def record(more: str = "v=DKIM1; ") -> bytes:
    return signer.record(key(), more)


def verify(fields: list[Field], body: bytes = BODY, records: Any = None, now: float = NOW) -> list[Result]:
    answers = [record()] if records is None else records
    return dkim.verify(fields, lambda: [body[:7], body[7:]], signer.zone({NAME: answers}), now)


def outcome(field: Field, body: bytes = BODY, records: Any = None, now: float = NOW) -> tuple[str, str]:
    (result,) = verify([field, *FIELDS], body, records, now)
    return result.value, result.reason


def shown(result: Result, tag: str) -> bytes:
    return dict(result.properties)[f"header.{tag}"]


def signed(**options: Any) -> Field:
    return signer.signature(FIELDS, BODY, key(), **options)


def changed(old: bytes, new: bytes, **options: Any) -> Field:
    name, value = signed(**options)
    assert old in value
    return name, value.replace(old, new, 1)
