#!/usr/bin/python3
"""Write a test directory as LDIF to standard output: `make-directory.py [PEOPLE [DOMAIN]]`.

The suffix is dc=example,dc=org, the people are below ou=people. Person N (0 to PEOPLE-1, default 2000) is
uid=personN with mail personN@DOMAIN (default local.example.org), the alternate address alias.personN@DOMAIN and
the password `secret-N`, stored as {SSHA}. The same arguments always give the same output.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator

SUFFIX = "dc=example,dc=org"
TOP = f"""\
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people
"""


def ssha(password: str) -> str:
    """The password as {SSHA}. The salt is derived from the password, so this must not be used for real ones."""
    salt = hashlib.sha256(password.encode()).digest()[:8]
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def person(number: int, domain: str) -> str:
    """One entry."""
    name = f"person{number}"
    return f"""\
dn: uid={name},ou=people,{SUFFIX}
objectClass: inetOrgPerson
objectClass: qmailUser
uid: {name}
cn: Person {number}
sn: Number {number}
mail: {name}@{domain}
mailAlternateAddress: alias.{name}@{domain}
mailMessageStore: /var/qmail/maildirs/{name}/Maildir/
mailHost: mx.example.org
qmailUID: {2000 + number}
qmailGID: 2000
accountStatus: active
userPassword: {ssha(f"secret-{number}")}
"""


def entries(people: int, domain: str) -> Iterator[str]:
    yield TOP
    for number in range(people):
        yield person(number, domain)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    people = int(arguments[0]) if arguments else 2000
    domain = arguments[1] if len(arguments) > 1 else "local.example.org"
    sys.stdout.write("\n".join(entries(people, domain)))
