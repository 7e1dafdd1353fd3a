"""libldap, by the half of python-ldap that is written in C: its module `_ldap`.

    preload()           that module, imported once: its errors and constants have the names that `ldap` gives them
    Connection(uri)     what `ldap.initialize(uri)` returns, with the calls that are needed here. All of them raise
                        preload().LDAPError, whose argument is a dictionary with desc, and perhaps info or errno

The other half, the package `ldap`, brings schemas, controls and extended operations, and for these urllib, ssl, logging
and pyasn1: importing it takes ten times as long as a session. Of what is called here it does nothing but hand it on.
tests/directory/test_libldap.py holds the two against each other.
"""

from __future__ import annotations

from .. import thirdparty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALL = 1  # every entry of an answer together
NO_LIMIT = -1


def preload() -> Any:
    """Takes 5 ms, most of it for the libraries that libldap needs."""
    thirdparty.add_to_path()
    import _ldap  # type: ignore[import-not-found]

    return _ldap


class Connection:
    """Opened by the first call that needs the server. Requests are known by their number."""

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
        """In the whole subtree, for up to `most` entries."""
        number: int = self._handle.search_ext(
            base, preload().SCOPE_SUBTREE, filter_text, attributes, 0, None, None, NO_LIMIT, most
        )
        return number

    def result(self, number: int, timeout: float) -> list[tuple[str | None, Any]]:
        """The entries that a request found, each its DN and attributes; without a DN the URIs of a referral."""
        entries: list[tuple[str | None, Any]] = self._handle.result4(number, ALL, timeout, 0, 0, 0)[1]
        return entries

    def close(self) -> None:
        self._handle.unbind_ext(None, None)
