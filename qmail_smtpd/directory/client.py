"""A connection to the first LDAP server that works: opened when needed, searched, closed (SPEC section 8).

Connecting, binding and each search take at most `settings.timeout` seconds, plus the watchdog's half second. All that
is done for one question, from one call of `begin` to the next, takes at most BUDGET seconds, since qmail-smtpd waits
no longer; each server gets a share of that, so that the last one is still tried. Every fault is logged with the server
and its cause. No server is given up for good: the next search tries all of them again. A connection that the server
closed while it was idle is no fault: it is opened again at once.

Raises Unavailable if no server could answer, TooMany if more than one entry was found, and Refused if a server
answered a bind with an error that says nothing about the password.
"""

from __future__ import annotations

import posix
from errno import EBADF, ENOTCONN
from time import monotonic

from .libldap import Connection, preload
from .program import ERROR, INFO, LDAP, LDAP_DATA, MaskLog
from .settings import trouble
from .watchdog import Watchdog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, NoReturn, TypeVar

    from .settings import Settings

    T = TypeVar("T")

REFUSED_CERTIFICATE = "the certificate of the server is not accepted"
# What the error numbers mean that libldap leaves behind when it cannot reach a server.
MEANT = {EBADF: "is the name of the host right?", ENOTCONN: "connection refused"}
# libldap's texts when it refuses a certificate: with GnuTLS (Debian 12), with OpenSSL (Debian 13), for a wrong name.
SAID_OF_CERTIFICATES = ("(unknown error code)", "certificate verify failed", "hostname does not match")
MOST_AHEAD = 16  # searches that a server may have at the same time
BUDGET = 25.0  # seconds for one question: qmail-smtpd waits 30
SHORTEST = 0.5  # seconds that a step gets even when the budget is used up
ENOUGH = 2  # entries that a search asks for: two prove already that it is not unique


class Unavailable(Exception):
    """No server gave an answer; args[0] is the last cause as bytes."""


class Refused(Exception):
    """The server answered a bind, but with neither yes nor no; args[0] is the cause as bytes.

    The other servers are not asked: each could count a failed login."""


class TooMany(Exception):
    """More than one entry, or more than the server was willing to return."""


class _Closed(Exception):
    """The server had closed a connection that worked before."""


class Entry:
    """An entry: its DN, and the values of its attributes, whose names ignore case. A server that joins directories may
    name one twice, in different case: all values count."""

    def __init__(self, dn: str, attributes: dict[str, list[bytes]]) -> None:
        self.dn = dn
        self._attributes: dict[str, list[bytes]] = {}
        for name, values in attributes.items():
            self._attributes.setdefault(name.lower(), []).extend(values)

    def values(self, name: str) -> list[bytes]:
        return self._attributes.get(name.lower(), [])


class Directory:
    """The servers of control/ldapserver as one directory."""

    def __init__(self, settings: Settings, log: MaskLog) -> None:
        self._settings = settings
        self._log = log
        self._connection: Connection | None = None
        self._server = ""  # the one in use
        self._proven = settings.servers[0]  # the one that worked last
        self._watchdog = Watchdog()
        self._step = b""  # what is in progress, for the log
        self._ahead: dict[str, int] = {}  # searches that were sent before they were asked for: filter -> request
        self._servers_left = 1  # servers that may still be asked this question, with the current one
        self.begin()

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def begin(self) -> None:
        """Begin a new question: BUDGET counts from now."""
        self._deadline = monotonic() + BUDGET
        self.referred = False  # True once a search of this question found nothing but a referral

    def _time_left(self) -> float:
        """Seconds for the next step."""
        share = (self._deadline - monotonic()) / self._servers_left
        return max(SHORTEST, min(float(self._settings.timeout), share))

    def search(self, filter_text: str, attributes: list[str]) -> Entry | None:
        """The only entry below control/ldapbasedn that matches, None if there is none. Raises Unavailable, TooMany."""
        return self._somewhere(lambda: self._ask(filter_text, attributes))

    def _somewhere(self, step: Callable[[], T]) -> T:
        """The result of `step` on the open connection, else on one to the first server where it succeeds.

        Raises Unavailable."""
        failed, cause = "", b""
        if self.is_open:
            self._servers_left = len(self._settings.servers)
            try:
                return step()
            except _Closed:
                self._log.say(INFO, b"info: ", self._server.encode(), b": connection was closed, opened again")
            except Unavailable as fault:
                failed, cause = self._server, fault.args[0]
        others = list(self._others(failed))
        for number, server in enumerate(others):
            self._servers_left = len(others) - number
            try:
                self._open(server)
                return step()
            except Unavailable as fault:
                cause = fault.args[0]
            except _Closed:
                cause = b"connection closed"
                self._log.say(ERROR, b"error: ", server.encode(), b": ", self._step, b": connection closed")
        raise Unavailable(cause)

    def send_ahead(self, filters: Iterable[str], attributes: list[str]) -> None:
        """Send searches that are sure to follow, if a connection is open: the server works on them meanwhile.

        `search` returns their results as it does for others, and meets whatever went wrong here."""
        ldap = preload()
        for filter_text in filters:
            if self._connection is None or len(self._ahead) >= MOST_AHEAD:
                return
            if filter_text not in self._ahead:
                try:
                    self._ahead[filter_text] = self._request(filter_text, attributes)
                except ldap.LDAPError:
                    return

    def _request(self, filter_text: str, attributes: list[str]) -> int:
        assert self._connection is not None
        return self._connection.search(self._settings.base, filter_text, attributes, ENOUGH)

    def authenticate(self, dn: str, password: bytes) -> bool:
        """Whether the server lets `dn` bind with this password. Raises Unavailable, Refused.

        It uses the connection of the search before it. An empty DN or password is never sent: that would be an
        anonymous or unauthenticated bind, which succeeds without proving anything (RFC 4513, sections 5.1.1, 5.1.2).
        """
        return bool(dn and password) and self._somewhere(lambda: self._accepts(dn, password))

    def _accepts(self, dn: str, password: bytes) -> bool:
        ldap = preload()
        try:
            self._bind(dn, password)
        except (ldap.INVALID_CREDENTIALS, ldap.INAPPROPRIATE_AUTH, ldap.NO_SUCH_OBJECT):
            return False
        except (ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.BUSY, ldap.TIMEOUT, ldap.CONNECT_ERROR) as error:
            self._fault(error)
        except ldap.LDAPError as error:
            self._fault(error, Refused)
        return True

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        self._ahead.clear()
        if connection is not None:
            self._watchdog.allow(SHORTEST)
            try:
                connection.close()
            except preload().LDAPError:
                pass  # the server has closed it already
            self._log.say(LDAP, b"ldap: connection closed")
        self._watchdog.stop()

    def _others(self, failed: str) -> Iterator[str]:
        """The servers to try: the one that worked last, then all in order, without `failed`."""
        servers = self._settings.servers
        for server in dict.fromkeys([self._proven, *servers]):
            if server != failed:
                yield server

    def _open(self, server: str) -> None:
        """Connect and bind. Raises Unavailable, logged."""
        self.close()
        ldap = preload()
        settings = self._settings
        self._server = server
        self._watchdog.start(self._time_left())
        self._step = b"connect"
        try:
            wrong = trouble(server)  # libldap's text would not tell what; and a misspelt ldaps:// must not go in clear
            if wrong:
                raise ValueError(wrong)
            self._connection = connection = Connection(server)
            encrypt = settings.starttls and server.startswith("ldap:")
            for option, value in self._options(ldap, encrypt or server.startswith("ldaps:")):
                connection.set_option(option, value)
            if encrypt:
                self._step = b"StartTLS"
                connection.start_tls()
            self._bind(settings.login, settings.password)
        except (ldap.LDAPError, ValueError, OSError) as error:
            self._fault(error)
        self._proven = server
        self._log.say(LDAP, b"ldap: connected to ", server.encode())

    def _bind(self, dn: str, password: bytes) -> None:
        """A simple bind, which also connects if that has not been done. Raises python-ldap's errors."""
        assert self._connection is not None
        self._watchdog.allow(self._time_left())
        request = self._connection.simple_bind(dn, password)
        self._step = b"bind"
        timeout = self._time_left()
        self._watchdog.allow(timeout)
        self._connection.result(request, timeout)
        self._watchdog.rest()

    def _ask(self, filter_text: str, attributes: list[str]) -> Entry | None:
        """One search on the open connection. Raises _Closed, Unavailable (logged), TooMany (logged)."""
        ldap = preload()
        assert self._connection is not None
        self._step = b"search"
        timeout = self._time_left()
        self._watchdog.allow(timeout)
        try:
            request = self._ahead.pop(filter_text, None) or self._request(filter_text, attributes)
            found = self._connection.result(request, timeout)
        except ldap.SIZELIMIT_EXCEEDED:
            found = [("", {})] * ENOUGH
        except ldap.LDAPError as error:
            if isinstance(error, (ldap.SERVER_DOWN, ldap.UNAVAILABLE)) and not self._watchdog.expired:
                self.close()
                raise _Closed from error
            self._fault(error)
        except ValueError as error:  # names that are not UTF-8
            self._fault(error)
        self._watchdog.rest()
        entries = [Entry(dn, values) for dn, values in found if dn is not None]
        if found and not entries:  # only referrals: another server holds a part of the tree, and may have the entry
            self.referred = True
            where = " ".join(map(str, found[0][1])).encode()
            self._log.say(ERROR, b"error: ", self._server.encode(), b": search: only a referral, to ", where)
        self._log.say(LDAP_DATA, b"ldap: %b: %d found" % (filter_text.encode(), len(entries)))
        if len(entries) > 1:
            self._log.say(ERROR, b"error: ", self._server.encode(), b": more than one entry: ", filter_text.encode())
            raise TooMany
        return entries[0] if entries else None

    def _options(self, ldap: Any, encrypted: bool) -> Iterator[tuple[int, object]]:
        """The options of each connection with their values, whatever ldap.conf says."""
        timeout = self._time_left()
        yield ldap.OPT_REFERRALS, ldap.OPT_ON if self._settings.referrals else ldap.OPT_OFF
        yield ldap.OPT_RESTART, ldap.OPT_OFF
        yield ldap.OPT_TIMEOUT, timeout
        if not encrypted:
            yield ldap.OPT_NETWORK_TIMEOUT, timeout
            return
        # No network timeout: libldap with GnuTLS would use all the CPU during a slow handshake. The watchdog limits it.
        yield ldap.OPT_NETWORK_TIMEOUT, None
        yield ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND
        if self._settings.ca_file:
            with open(self._settings.ca_file, "rb"):
                pass  # only for the OSError: libldap would not say why it cannot read the file
            yield ldap.OPT_X_TLS_CACERTFILE, self._settings.ca_file
        yield ldap.OPT_X_TLS_NEWCTX, 0

    def _fault(self, error: Exception, kind: type[Exception] = Unavailable) -> NoReturn:
        """Log a fault of the current server, close the connection and raise `kind`."""
        cause = b"timed out" if self._watchdog.expired else described(error)
        self._log.say(ERROR, b"error: ", self._server.encode(), b": ", self._step, b": ", cause)
        self.close()
        raise kind(cause) from error


def described(error: Exception) -> bytes:
    """The text of an error for the log: python-ldap gives a dictionary, the system a text."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    number = details.get("errno")
    info = details.get("info") or (number and (MEANT.get(number) or posix.strerror(number)))
    known = [str(text) for text in (details.get("desc"), info) if text]
    text = ": ".join(known) or str(error) or type(error).__name__
    if any(words in text for words in SAID_OF_CERTIFICATES):
        text = f"{text.removesuffix(SAID_OF_CERTIFICATES[0]).rstrip()}: {REFUSED_CERTIFICATE}"
    return text.encode("utf-8", "replace")
