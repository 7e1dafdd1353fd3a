"""The DNS as a function, as sender authentication asks it (SPEC section 17).

    answer = lookup(name, rtype)

A name is bytes without a dot at the end, and may hold any byte. The answer is a list, in the order it came:

    A, AAAA    4 or 16 bytes, the address
    MX         (preference, host)
    TXT        one bytes for each record, its strings joined
    PTR        host names

An empty list says that the name is there without such records. NoSuchName says that it is not there (NXDOMAIN), and
Temporary that nothing is known: SERVFAIL, silence, an answer that cannot be read, trouble of ours. Nothing else is
raised. CNAMEs are followed by whoever answers. Times are seconds of `time.monotonic`.
"""

from __future__ import annotations

from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Lookup = Callable[[bytes, str], list[Any]]


class NoSuchName(Exception):
    """NXDOMAIN."""


class Temporary(Exception):
    """No answer can be had now. The text says why."""


class TooLate(Temporary):
    """The time that all questions share is over."""


def bounded(lookup: Lookup, deadline: float, clock: Callable[[], float] = monotonic) -> Lookup:
    """A lookup that asks nothing more once the deadline has come: it raises TooLate, also for a question that was
    under way then and failed. How long one question takes is up to who asks it."""

    def ask(name: bytes, rtype: str) -> list[Any]:
        if clock() >= deadline:
            raise TooLate("no time left for the DNS")
        try:
            return lookup(name, rtype)
        except Temporary as trouble:
            raise TooLate(str(trouble)) if clock() >= deadline else trouble from None

    return ask
