"""Entries for what the tests ask, beside the generated people: each wrong or special in one way."""

from __future__ import annotations

from ..support.slapd import SUFFIX

DOMAIN = "local.example.org"


def entry(name: str, mail: str | list[str], *lines: str) -> str:
    """An entry of ou=people; `lines` are LDIF lines of their own."""
    addresses = [mail] if isinstance(mail, str) else mail
    head = [f"dn: cn={name},ou=people,{SUFFIX}", "objectClass: inetOrgPerson", "objectClass: qmailUser"]
    rows = [*head, f"cn: {name}", "sn: x", *(f"mail: {a}@{DOMAIN}" for a in addresses), *lines]
    return "\n".join(rows) + "\n"


def alternate(local: str, domain: str = DOMAIN) -> str:
    return f"mailAlternateAddress: {local}@{domain}"


SPECIAL = "\n".join(
    [
        entry("disabled", "disabled", "accountStatus: disabled"),
        entry("disabled2", "disabled2", "accountStatus: DisAbled"),
        entry("deleted", "deleted", "accountStatus: deleted"),
        entry("noaccess", "noaccess", "accountStatus: noaccess"),
        entry("undefined", "undefined"),
        entry("oddstatus", "oddstatus", "accountStatus: onholiday"),
        entry("twostates", "twostates", "accountStatus: active", "accountStatus: disabled"),
        entry("twin1", "twin"),
        entry("twin2", "twin-two", alternate("twin")),
        *(entry(f"crowd{n}", f"crowd{n}", alternate("crowd")) for n in range(5)),
        entry("dashes", "a-b-c-d-catchall", alternate("a-b-c-catchall"), alternate("b-catchall")),
        entry("lead", "-catchall", alternate("double--catchall")),
        entry("everything", "nobody-in-particular", alternate("catchall", "all.example.org")),
        entry("more", "more", alternate("x-y-catchall", "all.example.org"), alternate("x-catchall", "all.example.org")),
        entry("offcatchall", "off-catchall", "accountStatus: disabled"),
        entry("star", "star", alternate("has*star"), alternate("has(paren"), alternate("has\\backslash")),
        entry("group", "group"),
        entry("aliased", "aliased-user", alternate("aliased", "real.example.org")),
    ]
)
