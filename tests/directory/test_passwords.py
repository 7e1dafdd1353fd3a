"""qmail_smtpd.directory.passwords: every scheme of SPEC section 8 against hashes that other programs made."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd.directory import passwords
from qmail_smtpd.directory.auth import PasswordCheck
from qmail_smtpd.directory.client import Entry
from qmail_smtpd.directory.program import MaskLog

from .stored import MALFORMED, PASSWORD, PUBLISHED, all_schemes, openssl_digest


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return all_schemes()


def test_every_scheme_takes_the_right_password_only(made: dict[str, str]) -> None:
    for name, stored in made.items():
        value = stored.encode()
        assert passwords.matches(PASSWORD.encode(), value), name
        for wrong in (b"", b"x", b"\xff\xfe", value, b"p" * 5000):
            assert not passwords.matches(wrong, value), name
        if not name.endswith("des"):  # which looks at eight characters
            assert not passwords.matches(PASSWORD[:-1].encode(), value), name


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_hashes(name: str) -> None:
    password, stored = PUBLISHED[name]
    assert passwords.matches(password.encode(), stored.encode())
    assert passwords.matches(password.encode(), b"{CRYPT}" + stored.encode())
    assert not passwords.matches(b"x" + password.encode(), stored.encode())
    assert not passwords.matches(password.encode(), stored.encode()[:-1])


def test_md4_where_the_platform_has_it() -> None:
    stored = openssl_digest("MD4", "md4").encode()
    try:
        hashlib.new("md4")
    except ValueError:
        with pytest.raises(passwords.UnknownScheme):
            passwords.matches(PASSWORD.encode(), stored)
    else:
        assert passwords.matches(PASSWORD.encode(), stored)


@pytest.mark.parametrize("stored", MALFORMED)
def test_a_malformed_hash_matches_nothing(stored: str) -> None:
    value = stored.encode("latin1" if "\x80" in stored else "utf-8")
    for password in (b"", b"x", PASSWORD.encode(), value, b"\xff"):
        assert not passwords.matches(password, value)


@pytest.mark.parametrize("stored", [b"{ARGON2}$argon2i$v=19", b"{SASL}x@y", b"{ }", b"{X-\xff}", b"{CLEARTEXT}x"])
def test_an_unknown_scheme_is_named(stored: bytes) -> None:
    with pytest.raises(passwords.UnknownScheme) as caught:
        passwords.matches(b"x", stored)
    assert caught.value.args[0] == stored[1:].partition(b"}")[0].upper()


SCHEMES = [b"", b"{CRYPT}", b"{NS-MTA-MD5}", *(b"{%b}" % name for name in (*passwords.PLAIN, *passwords.SALTED))]


@given(st.sampled_from(SCHEMES), st.binary(max_size=100), st.binary(max_size=20).filter(lambda p: b"\0" not in p))
def test_nothing_stored_makes_it_crash(scheme: bytes, value: bytes, password: bytes) -> None:
    try:
        assert passwords.matches(password, scheme + value) in (True, False)
    except passwords.UnknownScheme:
        pass


HASHED = b"$6$saltstring$" + b"x" * 86


@pytest.mark.parametrize(
    "entry",
    [
        None,
        Entry("cn=x", {}),
        Entry("cn=x", {"userPassword": [b"{SSHA}AAAA"]}),
        Entry("cn=x", {"userPassword": [HASHED]}),
        Entry("cn=x", {"userPassword": [b"{CRYPT}" + HASHED]}),
    ],
)
def test_every_refusal_costs_one_slow_hash(monkeypatch: pytest.MonkeyPatch, entry: Entry | None) -> None:
    computed: list[bytes] = []
    monkeypatch.setattr(passwords, "crypt", lambda password, setting: computed.append(setting))
    authentication = PasswordCheck.__new__(PasswordCheck)
    authentication._log = MaskLog(b"x", 0)
    assert not authentication._compares(entry, b"wrong")
    assert len(computed) == 1
