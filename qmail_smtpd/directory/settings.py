"""The control files of the LDAP programs (SPEC sections 2 and 8), read once at their start.

    ldapserver         list   `host`, `host:port`, `[v6]:port` or a URI (ldap, ldaps, ldapi), several to a line
                              allowed, tried in order; required
    ldapbasedn         line   where every search begins; default empty
    ldaplogin          line   the DN to bind as; default anonymous
    ldappassword       line   its password; missing or unreadable: anonymous
    ldapobjectclass    line   an object class or filter text that every entry must match as well, not escaped
    ldaptimeout        int    seconds for each of connecting, binding and searching; default 30, also for 0
    ldaprebind         int    auth_smtp: not 0: bind as the entry instead of comparing its userPassword
    ldaplocaldelivery  int    qmail-verify: 0 leaves out users/cdb and the system users; default 1
    ldapstarttls       int    there and not 0: StartTLS is required on ldap:// connections
    ldapcafile         line   PEM file of the trusted authorities; default the system's
    ldapcache          int    qmail-verify: seconds an answer is kept; default 0, no cache
    ldapreferrals      int    there and not 0: referrals are followed, with an anonymous bind; default 0
    aliasdomains       list   `alias:real`, the domain `alias` is searched as `real`

Raises control.files.ControlError; only ldappassword may be unreadable.
"""

from __future__ import annotations

from ..control.files import ControlError, ControlFiles, list_lines
from ..smtp.numbers import leading_number

DEFAULT_TIMEOUT = 30
LONGEST = 86400  # seconds: a timeout or age beyond a day is a day


class Settings:
    """All settings. Texts for libldap are str, domains are bytes, times are seconds. Raises ControlError."""

    def __init__(self, control: ControlFiles) -> None:
        self.servers = [uri(word) for entry in entries(control, "ldapserver") for word in entry.split()]
        if not self.servers:
            raise ControlError(control.path("ldapserver"), b"no server named")
        self.base = text(control.line("ldapbasedn", b""))
        self.login, self.password = credentials(control)
        self.objectclass = text(control.line("ldapobjectclass", b""))
        self.timeout = min(control.number("ldaptimeout", 0) or DEFAULT_TIMEOUT, LONGEST)
        self.rebind = control.number("ldaprebind", 0) != 0
        self.local_delivery = control.number("ldaplocaldelivery", 1) != 0
        starttls = control.line("ldapstarttls")
        self.starttls = starttls is not None and leading_number(starttls, 1) != 0
        self.referrals = control.number("ldapreferrals", 0) != 0
        self.ca_file = text(control.line("ldapcafile", b""))
        self.cache_seconds = min(control.number("ldapcache", 0), LONGEST)
        self.aliasdomains = alias_map(entries(control, "aliasdomains"))


def entries(control: ControlFiles, name: str) -> list[bytes]:
    """The entries of a list file in order, with upper and lower case as written; none without the file."""
    return list(list_lines(control.read(name) or b""))


def text(value: bytes | None) -> str:
    """LDAP strings are UTF-8 (RFC 4511, 4.1.2); an older file in Latin-1 is still understood."""
    value = value or b""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def uri(word: bytes) -> str:
    """A word of ldapserver as an LDAP URI (RFC 4516), its scheme in lower case."""
    scheme, colon, rest = text(word).partition("://")
    return f"{scheme.lower()}://{rest}" if colon else f"ldap://{scheme}"


def trouble(server: str) -> str:
    """What is wrong with a URI that `uri` has made; "" if nothing can be seen to be wrong."""
    scheme, _, rest = server.partition("://")
    if scheme == "ldapi":
        return ""
    if scheme not in ("ldap", "ldaps"):
        return f"{server} is not an LDAP server: write HOST, HOST:PORT, or ldap:// or ldaps:// before it"
    place = rest.partition("/")[0]
    closed = place.rpartition("]") if place.startswith("[") else ("", "", place)
    host, colon, port = closed[2].partition(":")
    if place.startswith("[") and not closed[1]:
        return f"{server}: the address is not closed with ]"
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return f"{server}: {port!r} is not a port number"
    if "//" in rest:
        return f"{server}: {rest!r} is not a host: write HOST, HOST:PORT, ldap://HOST or ldaps://HOST"
    return "" if closed[0] or host else f"{server}: the host is missing"


def credentials(control: ControlFiles) -> tuple[str, bytes]:
    """The DN and password to bind with; both empty for an anonymous bind.

    A DN without a password would be an unauthenticated bind, which servers refuse (RFC 4513, section 5.1.2).
    """
    try:
        password = control.line("ldappassword", b"") or b""
    except ControlError:
        password = b""
    login = text(control.line("ldaplogin", b""))
    return (login, password) if login and password else ("", b"")


def alias_map(lines: list[bytes]) -> dict[bytes, bytes]:
    """Lower-case alias domain to real domain; a line without both is ignored."""
    pairs = (line.partition(b":") for line in lines)
    return {alias.strip().lower(): real.strip() for alias, _, real in pairs if alias.strip() and real.strip()}
