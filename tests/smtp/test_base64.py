"""Base64 as AUTH writes it: one right spelling."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.smtp.base64 import decoded


@given(st.binary(max_size=60))
def test_one_spelling(text: bytes) -> None:
    data = decoded(text)
    if data is not None:
        assert base64.b64encode(data) == text


@given(st.binary(max_size=60))
def test_there_and_back(data: bytes) -> None:
    assert decoded(base64.b64encode(data)) == data


@pytest.mark.parametrize("text", [b"bob", b"YWxpY2U", b"=", b"am9l c2VjcmV0", b"am9l\r", b"am9=", b"*"])
def test_what_is_none(text: bytes) -> None:
    assert decoded(text) is None
