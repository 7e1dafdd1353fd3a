"""The DNS for the terms of SPF records, with what RFC 7208 section 4.6.4 limits counted.

What counts as void is a *term* whose question has no answer, as the RFC has it, not each of its questions: else an mx
of three hosts without IPv6 would be an error. For the same reason an AAAA question about a name that is there is not
void: hosts of the sender without IPv6 are in order. (pyspf counts both, and users called it a bug: issues 40, 41 and
44 there.) Nor does it count what the client's own PTR records say: no client may turn a fail into an error.
"""

from __future__ import annotations

from .dns import NoSuchName
from .spf_macros import LONGEST_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .dns import Lookup

MOST_TERMS = 10
MOST_VOIDS = 2
MOST_HOSTS = 10  # of one mx


class PermanentError(Exception):
    """The record cannot be evaluated: a permerror. The text says why."""


class Questions:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._terms = self._voids = 0
        self._void = False  # the term has been counted

    def next_term(self) -> None:
        """A term that asks the DNS begins. Raises PermanentError when it is one too many."""
        self._terms += 1
        self._void = False
        if self._terms > MOST_TERMS:
            raise PermanentError(f"more than {MOST_TERMS} terms ask the DNS")

    def ask(self, name: bytes, rtype: str) -> list[Any]:
        """What there is; a name that cannot be asked for does not exist. Raises Temporary, and PermanentError for one
        void term too many."""
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
        """The mail hosts of a domain, best first. Raises as `ask`, and PermanentError for too many."""
        found = self.ask(domain, "MX")
        if len(found) > MOST_HOSTS:
            raise PermanentError(f"more than {MOST_HOSTS} MX records")
        return [host.removesuffix(b".") for _, host in sorted(found)]


def is_name(name: bytes) -> bool:
    """Whether a name fits into a question: labels of 1 to 63 bytes, whichever bytes those are."""
    return len(name) <= LONGEST_NAME and all(0 < len(label) < 64 for label in name.split(b"."))
