"""Valid host and domain names (SPEC section 9; RFC 1035 section 2.3.4). No I/O, cheap to import."""

from __future__ import annotations

from .dnsmessage import LONGEST_LABEL, LONGEST_NAME

_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def askable(name: bytes) -> bool:
    """Whether a name can be that of a host or domain, so that asking the DNS about it makes sense: labels of 1 to 63
    letters, digits, - and _, together at most LONGEST_NAME bytes. One dot at the end is allowed."""
    labels = name.removesuffix(b".").split(b".")
    if sum(map(len, labels)) + len(labels) - 1 > LONGEST_NAME:
        return False
    return all(0 < len(label) <= LONGEST_LABEL and _LETTERS.issuperset(label) for label in labels)
