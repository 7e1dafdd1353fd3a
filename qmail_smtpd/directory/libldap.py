"""libldap, through the part of python-ldap that is written in C: its module `_ldap`.

    preload()           that module, imported once: its errors and constants have the names that `ldap` gives them
    Connection(uri)     what `ldap.initialize(uri)` returns, with the calls that are needed here. All of them raise
                        preload().LDAPError, whose argument is a dictionary with desc, and perhaps info or errno

The part in Python, the package `ldap`, brings schemas, controls and extended operations, and for these urllib, ssl,
logging and pyasn1: importing it takes ten times as long as a session. The calls that are needed here it only passes on
to `_ldap`. tests/directory/test_libldap.py compares the two.
"""

from __future__ import annotations

from time import monotonic

from .. import thirdparty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ONE = 0  # one message of an answer at a time
MOST = 1000  # messages of one answer: a server that ignores our limit of entries must not fill the memory
NO_LIMIT = -1


def preload() -> Any:
    """The module `_ldap`. Importing it takes 5 ms, most of it for the libraries that libldap needs.

    Raises ImportError without python-ldap."""
    thirdparty.add_to_path()
    import _ldap  # type: ignore[import-not-found]

    return _ldap


class Connection:
    """A connection to `uri`, made by the first call that needs the server; a request is identified by its number."""

    def __init__(self, uri: str) -> None:
        ldap = preload()
        self._handle = ldap.initialize(uri)
        self._handle.set_option(ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3)

    def set_option(self, option: int, value: object) -> None:
        self._handle.set_option(option, value)

    def start_tls(self) -> None:
        self._handle.start_tls_s()

    def simple_bind(self, dn: str, password: bytes) -> int:
        number: int = self._handle.simple_bind(dn, password, None, None)
        return number

    def search(self, base: str, filter_text: str, attributes: list[str], most: int) -> int:
        """The number of a new search in the whole subtree of `base`, for up to `most` entries."""
        number: int = self._handle.search_ext(
            base, preload().SCOPE_SUBTREE, filter_text, attributes, 0, None, None, NO_LIMIT, most
        )
        return number

    def result(self, number: int, timeout: float) -> list[tuple[str | None, Any]]:
        """What a request found: DN and attributes of each entry; None and the URIs for a referral.

        Waits up to `timeout` seconds, then raises TIMEOUT. Raises ValueError for an answer of more than MOST messages:
        the rest of it is still to come, so the connection is of no more use."""
        ldap = preload()
        deadline = monotonic() + timeout
        found: list[tuple[str | None, Any]] = []
        for _ in range(MOST):
            kind, data, *_ = self._handle.result4(number, ONE, max(0.0, deadline - monotonic()), 0, 0, 0)
            found += data
            if kind not in (ldap.RES_SEARCH_ENTRY, ldap.RES_SEARCH_REFERENCE, ldap.RES_INTERMEDIATE):
                return found
        raise ValueError(f"an answer of more than {MOST} entries and referrals")

    def close(self) -> None:
        self._handle.unbind_ext(None, None)
