"""DNS questions of SPF records, counted for the limits of RFC 7208 section 4.6.4.

A void look-up is counted once for each *term* of a record, as the RFC says, not for each question: otherwise an mx with
three hosts without IPv6 would be an error. For the same reason an AAAA question about an existing name is never void:
hosts without IPv6 are no error. (pyspf counts both, and users have reported that as a bug: its issues 40, 41 and 44.)
Questions about the client's own PTR records do not count, so that a client cannot turn a fail into an error.
"""

from __future__ import annotations

from .dns import NoSuchName
from .names import is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .dns import Lookup

MOST_TERMS = 10
MOST_VOIDS = 2
MOST_HOSTS = 10  # MX records of one mx term


class PermanentError(Exception):
    """The record cannot be evaluated, a permerror; the text says why."""


class Questions:
    """Asks the DNS for one check_host() and counts."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._terms = self._voids = 0
        self._void = False  # whether the current term was counted as void

    def next_term(self) -> None:
        """Count a term that asks the DNS. Raises PermanentError if there are too many."""
        self._terms += 1
        self._void = False
        if self._terms > MOST_TERMS:
            raise PermanentError(f"more than {MOST_TERMS} terms ask the DNS")

    def ask(self, name: bytes, rtype: str) -> list[Any]:
        """The records of a name; none if it is no valid name. Raises Temporary, and PermanentError if too many terms
        are void."""
        if not is_name(name):
            return []
        try:
            found = self._lookup(name, rtype)
            void = not found and rtype != "AAAA"
        except NoSuchName:
            found, void = [], True
        if void and not self._void:
            self._void = True
            self._voids += 1
            if self._voids > MOST_VOIDS:
                raise PermanentError(f"more than {MOST_VOIDS} terms found nothing in the DNS")
        return found

    def hosts(self, domain: bytes) -> list[bytes]:
        """The MX hosts of a domain, best first. Raises the same as `ask`, and PermanentError for too many hosts."""
        found = self.ask(domain, "MX")
        if len(found) > MOST_HOSTS:
            raise PermanentError(f"more than {MOST_HOSTS} MX records")
        return [host.removesuffix(b".") for _, host in sorted(found)]
