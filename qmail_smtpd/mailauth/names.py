"""Domain names in the form in which sender authentication compares them: lower case, without a dot at the end, A-labels
(RFC 5890). Raises nothing.

`canonical` refuses empty labels, labels and names that are too long for the DNS, and names with letters that IDNA 2003
and IDNA 2008 encode differently: Python only has IDNA 2003, which would give the name of another domain. What is longer
than a name can be is not encoded at all: the time for that grows with the square of the length.
"""

from __future__ import annotations

LONGEST, LONGEST_LABEL = 253, 63  # bytes

_READ_DIFFERENTLY = "\xdf\u03c2\u200c\u200d"  # RFC 5894 section 7.2


def canonical(domain: bytes) -> bytes | None:
    """The canonical form of a name; None if it is no valid name."""
    name = (domain if domain.isascii() else _a_labels(domain) or b"").lower().removesuffix(b".")
    return name if is_name(name) else None


def is_name(name: bytes) -> bool:
    """Whether a DNS question can contain a name, without a dot at its end: labels of 1 to 63 bytes, any bytes."""
    return len(name) <= LONGEST and all(0 < len(label) <= LONGEST_LABEL for label in name.split(b"."))


def within(name: bytes, parent: bytes) -> bool:
    """Whether a name is `parent` or a subdomain of it; both must be canonical."""
    return name == parent or name.endswith(b"." + parent)


def _a_labels(domain: bytes) -> bytes | None:
    try:
        text = domain.decode("utf-8").lower()
        if len(text) > LONGEST + 1 or any(letter in text for letter in _READ_DIFFERENTLY):  # + 1: a dot at the end
            return None
        return text.encode("idna")
    except UnicodeError:
        return None
