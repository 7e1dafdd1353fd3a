"""DMARC records: what counts as one, and which policy comes of it (RFC 9989 section 4.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.mailauth.dmarc_record import read

EXISTS, MISSING = (lambda: False), (lambda: True)


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b"v=DMARC1x",
            b"v=dmarc1; p=reject",
            b"v=DMARC2; p=reject",
            b"p=reject; v=DMARC1",
            b" v=DMARC1; p=reject",
        ),
        *(b"v=DMARC1 p=reject", b"v DMARC1; p=reject", b"v=spf1 -all", b"V==DMARC1", b";v=DMARC1"),
    ],
)
def test_no_record(text: bytes) -> None:
    assert read(text) is None


# The record, and the policy for its domain, for a subdomain and for one that does not exist; None: no DMARC.
POLICIES: tuple[tuple[bytes, bytes | None, bytes | None, bytes | None], ...] = (
    (b"v=DMARC1; p=reject", b"reject", b"reject", b"reject"),
    (b"v=DMARC1;p=reject;", b"reject", b"reject", b"reject"),
    (b"V = DMARC1 ; P = Reject ; ", b"reject", b"reject", b"reject"),
    (b"v=DMARC1; p=quarantine; x-unknown=1; ; nonsense", b"quarantine", b"quarantine", b"quarantine"),
    (b"v=DMARC1; sp=quarantine; p=reject", b"reject", b"quarantine", b"quarantine"),
    (b"v=DMARC1; p=none; np=reject", b"none", b"none", b"reject"),
    (b"v=DMARC1; p=none; sp=quarantine; np=reject", b"none", b"quarantine", b"reject"),
    (b"v=DMARC1; p=reject; sp=none; np=none", b"reject", b"none", b"none"),
    (b"v=DMARC1; p=reject; sp=quarantine; np=none; t=y", b"quarantine", b"none", b"none"),
    (b"v=DMARC1; p=none; t=Y", b"none", b"none", b"none"),
    (b"v=DMARC1; p=reject; t=n", b"reject", b"reject", b"reject"),
    (b"v=DMARC1; p=reject; t=maybe", b"reject", b"reject", b"reject"),
    (b"v=DMARC1; p=reject; pct=0", b"reject", b"reject", b"reject"),
    (b"v=DMARC1; p=reject; p=none", b"reject", b"reject", b"reject"),
    (b"v=DMARC1", None, None, None),
    (b"v=DMARC1; p=strict", None, None, None),
    (b"v=DMARC1; p=", None, None, None),
    (b"v=DMARC1; p=reject; sp=strict", None, None, None),
    (b"v=DMARC1; p=reject; np=", None, None, None),
    (b"v=DMARC1; rua=mailto:a@example.org", b"none", b"none", b"none"),
    (b"v=DMARC1; p=strict; rua=nothing, mailto:a@example.org!10m", b"none", b"none", b"none"),
    (b"v=DMARC1; p=reject; sp=strict; rua=https://example.org/x", b"none", b"none", b"none"),
    (b"v=DMARC1; rua=a@example.org", None, None, None),
    (b"v=DMARC1; rua=mailto:", None, None, None),
    (b"v=DMARC1; rua=1mailto:a@example.org", None, None, None),
    (b"v=DMARC1; rua=mailto:a b@example.org", None, None, None),
    (b"v=DMARC1; ruf=mailto:a@example.org", None, None, None),
)


@pytest.mark.parametrize(("text", "own", "subdomain", "not_there"), POLICIES)
def test_policy(text: bytes, own: bytes | None, subdomain: bytes | None, not_there: bytes | None) -> None:
    record = read(text)
    assert record is not None
    assert record.usable == (own is not None)
    if own is not None:
        found = record.applies(False, MISSING), record.applies(True, EXISTS), record.applies(True, MISSING)
        assert found == (own, subdomain, not_there)


def test_whether_a_name_exists_is_only_asked_where_it_matters() -> None:
    def never() -> bool:
        raise AssertionError

    for text, subdomain in ((b"v=DMARC1; p=none; np=reject", False), (b"v=DMARC1; p=reject; sp=none", True)):
        record = read(text)
        assert record is not None
        assert record.applies(subdomain, never) == b"none"


@pytest.mark.parametrize(
    ("text", "strict_dkim", "strict_spf", "psd"),
    [
        (b"v=DMARC1; p=none", False, False, b""),
        (b"v=DMARC1; p=none; adkim=s; aspf=S; psd=Y", True, True, b"y"),
        (b"v=DMARC1; p=none; adkim=r; aspf=x; psd=u", False, False, b"u"),
    ],
)
def test_other_tags(text: bytes, strict_dkim: bool, strict_spf: bool, psd: bytes) -> None:
    record = read(text)
    assert record is not None
    assert (record.strict_dkim, record.strict_spf, record.psd) == (strict_dkim, strict_spf, psd)


@given(st.binary(max_size=80).map(lambda tail: b"v=DMARC1;" + tail))
def test_any_bytes_make_a_record_whose_policy_is_one_of_three(text: bytes) -> None:
    record = read(text)
    assert record is not None
    assert record.applies(True, MISSING) in (b"none", b"quarantine", b"reject")


PART = st.sampled_from(
    [b"p=reject", b"p=none", b"sp=none", b"np=quarantine", b"t=y", b"psd=n", b"x=1", b"", b"=", b"p"]
)


@given(st.lists(PART, max_size=8))
def test_blanks_and_case_do_not_matter(parts: list[bytes]) -> None:
    tight = read(b"v=DMARC1;" + b";".join(parts))
    loose = read(b"v \t= DMARC1 ;" + b"\t ; ".join(part.upper().replace(b"=", b" = ") for part in parts) + b" ;")
    assert tight is not None and loose is not None
    assert (tight.usable, tight.psd) == (loose.usable, loose.psd)
    assert tight.applies(True, MISSING) == loose.applies(True, MISSING)
