"""Domain names as sender authentication compares them: lower case, without a dot at the end, A-labels (RFC 5890).

`canonical` refuses what cannot be a name in the DNS: empty and overlong labels, names beyond 253 bytes. Labels may hold
any other byte. Names that IDNA 2003 and IDNA 2008 read differently are refused too: Python knows the old one only, and
a name that is somebody else's must not pass.
"""

from __future__ import annotations

LONGEST, LONGEST_LABEL = 253, 63

_READ_DIFFERENTLY = "\xdf\u03c2\u200c\u200d"  # RFC 5894 section 7.2


def canonical(domain: bytes) -> bytes | None:
    """The name in the form in which equal names have equal bytes; None if it is none."""
    name = (domain if domain.isascii() else _a_labels(domain) or b"").lower().removesuffix(b".")
    if not name or len(name) > LONGEST:
        return None
    return name if all(0 < len(label) <= LONGEST_LABEL for label in name.split(b".")) else None


def within(name: bytes, parent: bytes) -> bool:
    """Whether a name is `parent` or lies below it; both are canonical."""
    return name == parent or name.endswith(b"." + parent)


def _a_labels(domain: bytes) -> bytes | None:
    try:
        text = domain.decode("utf-8").lower()
        return None if any(letter in text for letter in _READ_DIFFERENTLY) else text.encode("idna")
    except UnicodeError:
        return None
