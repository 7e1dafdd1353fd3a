"""The names of header fields (RFC 5322 section 2.2). Pure; raises nothing. No plain session imports this."""

from __future__ import annotations

_NAME = bytes(byte for byte in range(33, 127) if byte != ord(":"))


def is_name(name: bytes) -> bool:
    """Whether a field can have this name: printable ASCII without blanks and colons, and not empty."""
    return bool(name) and not name.translate(None, _NAME)
