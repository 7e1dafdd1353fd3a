"""Fuzz DKIM: whatever stands in the field, the key and the body, there is a result, however the body is cut the same.

The data stands for a field, a part of a good one, the key or another field and the body: so it comes far.
"""

from __future__ import annotations

from qmail_smtpd.mailauth import dkim
from tests.mailauth import dkim_worlds, signer

NOW = 1_800_000_000
VALUES = {"pass", "fail", "permerror", "neutral", "policy", "temperror"}
FIELDS = [(b"From", b" a@example.org"), (b"Subject", b" x")]
BODY = b"Two  lines \n\nof text\n"
KEY = dkim_worlds.key("ed25519")
RECORD = signer.record(KEY)
NAME, VALUE = signer.signature(FIELDS, BODY, KEY)


def one_input(data: bytes) -> None:
    """The first byte says what the others stand for."""
    kind, rest = (data[0] % 4 if data else 0), data[1:]
    value, record, fields, body = VALUE, RECORD, FIELDS, BODY
    if kind == 0:
        value = rest
    elif kind == 1:
        place = rest[0] % len(VALUE) if rest else 0
        value = VALUE[:place] + rest[1:] + VALUE[place:]
    elif kind == 2:
        record = rest
    else:
        name, _, text = rest.partition(b":")
        fields, body = [*FIELDS, (name, text)], text
    results = _results([(NAME, value), *fields], [body], record)
    assert len(results) in (1, 2) and {result for result, _ in results} <= VALUES
    if body is not BODY:
        assert results == _results([(NAME, value), *fields], [body[:7], body[7:]], record)


def _results(fields: list[signer.Field], blocks: list[bytes], record: bytes) -> list[tuple[str, str]]:
    found = dkim.verify(fields, lambda: blocks, lambda name, rtype: [record, RECORD], NOW)
    return [(result.value, result.reason) for result in found]
