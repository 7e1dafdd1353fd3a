"""Base64 as AUTH writes it (RFC 4648 section 4; RFC 4954 section 4). Pure."""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64


def decoded(text: bytes) -> bytes | None:
    """The bytes that `text` encodes; None unless it is their canonical encoding (no blanks, padding complete)."""
    try:
        data = a2b_base64(text)
    except Error:
        return None
    return data if b2a_base64(data, newline=False) == text else None
