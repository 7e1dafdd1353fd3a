"""Whether an address has a mailbox here: the answers of qmail-verify (SPEC sections 8 and 13).

    K          yes
    D text     no; the reason with an enhanced status code
    Z text     this cannot be said now; the reason with an enhanced status code

An answer is made from two things: what the directory says of the address (an outcome, one byte, which the cache may
keep), and, for an address that is not in the directory, whether it belongs to a local user.
"""

from __future__ import annotations

from . import filters, localusers
from .client import TooMany, Unavailable
from .program import DEBUG, ERROR, MaskLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .cache import Cache
    from .client import Directory
    from .settings import Settings

YES = b"K"
MALFORMED = b"Dthe address is not complete (#5.1.3)"
UNKNOWN = b"Dno mailbox by that name here (#5.1.1)"
DISABLED = b"Dthe mailbox is disabled (#5.2.1)"
NOT_NOW = b"Zthe directory is not available (#4.3.0)"
AMBIGUOUS = b"Zthe directory is not clear about this address (#4.3.0)"
LOCAL_TROUBLE = b"Zthe local users cannot be looked up (#4.3.0)"

STATUS = "accountStatus"
# Outcomes of the directory search: bytes, since the cache stores them.
FOUND, OFF, DELETED, NOTHING = b"K", b"O", b"X", b"N"
ELSEWHERE = b"E"  # only a referral was found: another server may have the entry. Never stored in the cache.
_ANSWERS = {FOUND: YES, OFF: DISABLED, DELETED: UNKNOWN, NOTHING: UNKNOWN, ELSEWHERE: NOT_NOW}


class Ambiguous(Exception):
    """The directory holds contradictory facts about an address, already logged."""


class AddressLookup:
    """The answers of one process; `cache` is None without control/ldapcache."""

    def __init__(self, settings: Settings, directory: Directory, log: MaskLog, cache: Cache | None = None) -> None:
        self._settings = settings
        self._directory = directory
        self._log = log
        self._cache = cache

    def answer(self, address: bytes) -> bytes:
        """K, D text or Z text for an address without NUL. Raises nothing that can be expected."""
        local, at, domain = address.rpartition(b"@")
        if not at or not local:
            return MALFORMED
        domain = self._settings.aliasdomains.get(domain.lower(), domain)
        self._directory.begin()
        try:
            outcome = self._outcome(local, domain)
        except (TooMany, Ambiguous):
            return AMBIGUOUS
        except Unavailable:
            return NOT_NOW
        if outcome in (NOTHING, ELSEWHERE) and self._settings.local_delivery:
            answer = self._local_answer(local)
            return _ANSWERS[outcome] if answer == UNKNOWN else answer
        return _ANSWERS[outcome]

    def send_ahead(self, addresses: list[bytes]) -> None:
        """Let the server begin with searches for addresses that `answer` will be asked about next.

        Does nothing with a cache, which makes most searches unnecessary."""
        if self._cache is None:
            self._directory.send_ahead(self._first_filters(addresses), [STATUS])

    def _first_filters(self, addresses: list[bytes]) -> Iterator[str]:
        for address in dict.fromkeys(addresses):
            local, at, domain = address.rpartition(b"@")
            if at and local:
                domain = self._settings.aliasdomains.get(domain.lower(), domain)
                first = next(iter(filters.candidates(local, domain)))
                yield filters.of_address(first, self._settings.objectclass)

    def _outcome(self, local: bytes, domain: bytes) -> bytes:
        """The outcome from the cache or the directory. Raises Unavailable, TooMany, Ambiguous."""
        cache = self._cache
        if cache is None:
            return self._searched(local, domain)
        address = local + b"@" + domain
        fresh = cache.fresh(address)
        if fresh in _ANSWERS:
            self._log.say(DEBUG, b"debug: ", address, b": answered by the cache")
            return fresh
        try:
            outcome = self._searched(local, domain)
        except Unavailable:
            old = cache.usable(address)
            if old not in _ANSWERS:
                raise
            self._log.say(ERROR, b"error: ", address, b": no server, answered by an old entry of the cache")
            return old
        if outcome != ELSEWHERE:
            cache.keep(address, outcome)
        return outcome

    def _searched(self, local: bytes, domain: bytes) -> bytes:
        """The outcome from the directory. Raises Unavailable, TooMany, Ambiguous."""
        for address in filters.candidates(local, domain):
            entry = self._directory.search(filters.of_address(address, self._settings.objectclass), [STATUS])
            if entry is not None:
                self._log.say(DEBUG, b"debug: ", local, b"@", domain, b": found as ", address)
                return self._judged(entry.dn, entry.values(STATUS))
        return ELSEWHERE if self._directory.referred else NOTHING

    def _judged(self, dn: str, values: list[bytes]) -> bytes:
        """The outcome for one entry, by its account status. Raises Ambiguous."""
        if len(values) > 1:
            self._log.say(ERROR, b"error: ", dn.encode(), b": more than one ", STATUS.encode())
            raise Ambiguous
        status = values[0].strip().lower() if values else b""
        return {b"disabled": OFF, b"deleted": DELETED}.get(status, FOUND)

    def _local_answer(self, local: bytes) -> bytes:
        try:
            return YES if localusers.exists(local) else UNKNOWN
        except localusers.LocalLookupFailed as failure:
            self._log.say(ERROR, b"error: ", failure.args[0])
            return LOCAL_TROUBLE
