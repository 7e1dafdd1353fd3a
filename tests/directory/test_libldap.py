"""The half of python-ldap that the programs use beside the whole of it, on one server: the same entries and errors."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

import ldap  # type: ignore[import-untyped]
import pytest

from qmail_smtpd.directory import libldap
from qmail_smtpd.directory.client import Entry
from qmail_smtpd.directory.libldap import Connection

from ..support.home import Home
from ..support.processes import BIN, free_port
from ..support.slapd import READER, READER_PASSWORD, SUFFIX, Slapd

EVERYBODY = "(objectClass=*)"
NAMES = ("mail", "accountStatus", "objectClass")
TIMEOUT = 20.0


def searched(server: Slapd, filter_text: str, most: int = 0) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The same search by both."""

    def ours() -> object:
        connection = Connection(server.uri)
        connection.result(connection.simple_bind(READER, READER_PASSWORD.encode()), TIMEOUT)
        return connection.result(connection.search(SUFFIX, filter_text, list(NAMES), most), TIMEOUT)

    def whole() -> object:
        connection = ldap.initialize(server.uri)
        connection.simple_bind_s(READER, READER_PASSWORD)
        number = connection.search_ext(SUFFIX, ldap.SCOPE_SUBTREE, filter_text, NAMES, sizelimit=most)
        return connection.result(number, 1, TIMEOUT)[1]

    return ours, whole


def bound(uri: str, dn: str, password: bytes) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The same bind by both."""

    def ours() -> object:
        connection = Connection(uri)
        return connection.result(connection.simple_bind(dn, password), TIMEOUT)

    def whole() -> object:
        connection = ldap.initialize(uri)
        return connection.result(connection.simple_bind(dn, password), 1, TIMEOUT)[1]

    return ours, whole


@pytest.mark.parametrize("filter_text", ["(mail=person7@local.example.org)", "(uid=nobody-at-all)", "(mail=person12*)"])
def test_the_same_entries(server: Slapd, filter_text: str) -> None:
    ours, whole = searched(server, filter_text)
    assert ours() == whole()


def test_an_empty_bind_is_anonymous(server: Slapd) -> None:
    ours, whole = bound(server.uri, "", b"")
    assert ours() == whole() == []


def known(error: Exception) -> tuple[object, ...]:
    """Its facts; the whole of python-ldap adds the system's words for a number, we our own (client.MEANT)."""
    details = error.args[0]
    number = details.get("errno")
    return details["desc"], number, details.get("info") or (number and os.strerror(number))


@pytest.mark.parametrize("case", ["a malformed filter", "too many", "a wrong password", "nobody there", "no TLS"])
def test_the_same_errors(server: Slapd, case: str) -> None:
    nowhere = f"ldap://127.0.0.1:{free_port()}/"
    cases = {
        "a malformed filter": lambda: (ldap.FILTER_ERROR, *searched(server, "(mail=")),
        "too many": lambda: (ldap.SIZELIMIT_EXCEEDED, *searched(server, EVERYBODY, 2)),
        "a wrong password": lambda: (ldap.INVALID_CREDENTIALS, *bound(server.uri, READER, b"wrong")),
        "nobody there": lambda: (ldap.SERVER_DOWN, *bound(nowhere, "", b"")),
        "no TLS": lambda: (ldap.SERVER_DOWN, Connection(nowhere).start_tls, ldap.initialize(nowhere).start_tls_s),
    }
    kind, ours, whole = cases[case]()
    with pytest.raises(kind) as here:
        ours()
    with pytest.raises(kind) as there:
        whole()
    details = there.value.args[0]
    if "errno" in details and details.get("info") == os.strerror(details["errno"]):
        del details["info"]  # python-ldap has added it
    assert known(here.value) == known(there.value)


def test_names_of_attributes_ignore_case() -> None:
    """A second value of accountStatus makes an address ambiguous, whatever its name looks like."""
    entry = Entry("uid=a", {"accountStatus": [b"active"], "ACCOUNTSTATUS": [b"disabled"], "uid": [b"a"]})
    assert entry.values("accountstatus") == [b"active", b"disabled"]
    assert entry.values("UID") == [b"a"]


def test_one_that_was_closed(server: Slapd) -> None:
    connection = Connection(server.uri)
    connection.result(connection.simple_bind("", b""), TIMEOUT)
    connection.close()
    with pytest.raises(libldap.preload().LDAPError):
        connection.simple_bind("", b"")


def test_the_other_half_is_not_imported(home: Home) -> None:
    argv = ["/usr/bin/python3", "-I", "-S", "-X", "importtime", os.fspath(BIN / "qmail-verify")]
    question = b"person0@local.example.org\0"
    done = subprocess.run(argv, input=question, capture_output=True, env=home.env(), timeout=60, check=True)
    assert done.stdout == b"K"
    lines = [line for line in done.stderr.split(b"\n") if line.startswith(b"import time:")]
    imported = {line.rpartition(b"|")[2].strip() for line in lines}
    assert b"_ldap" in imported
    assert not imported & {b"ldap", b"pyasn1", b"urllib", b"ssl", b"_ssl", b"logging", b"re", b"threading", b"socket"}


def test_mechanisms_of_sasl_are_not_loaded(home: Home) -> None:
    """What is in the memory of a program that has answered: no library of a mechanism of SASL."""
    from .programs import Verifier

    with Verifier(home) as verifier:
        assert verifier.ask("person0@local.example.org") == b"K"
        with open(f"/proc/{verifier.process.pid}/maps") as file:
            maps = file.read()
    assert "libldap" in maps and "/sasl2/" not in maps
