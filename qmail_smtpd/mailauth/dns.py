"""The interface by which sender authentication asks the DNS: a function that the caller passes in (SPEC section 17).

    answer = lookup(name, rtype)

A name is bytes without a dot at the end, and may contain any byte. The answer is a list, in the order of the response:

    A, AAAA    4 or 16 bytes, the address
    MX         (preference, host)
    TXT        bytes for each record, its strings joined
    PTR        host names

It is empty if the name exists without such records. Raises NoSuchName if the name does not exist (NXDOMAIN), and
Temporary if nothing is known (SERVFAIL, no answer, an answer that cannot be parsed, an error of ours); nothing else.
The function follows CNAMEs. checkers/_lookup.py implements it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Lookup = Callable[[bytes, str], list[Any]]


class NoSuchName(Exception):
    """The name does not exist."""


class Temporary(Exception):
    """There is no answer now; the text says why."""


class TooLate(Temporary):
    """The time for all questions is used up: no further question will be answered."""
