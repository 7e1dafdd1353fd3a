"""Stored passwords: whether a password matches what the attribute userPassword holds (SPEC section 8).

    {SHA} {MD5} {SHA256} {SHA384} {SHA512} {MD4} {RMD160}     base64 of the digest
    {SSHA} {SMD5} {SSHA256} {SSHA384} {SSHA512}               base64 of digest and salt (RFC 2307 as extended)
    {NS-MTA-MD5}                                              32 hex digits of the digest, 32 bytes of salt
    {CRYPT}, or no scheme at all                              crypt(3)

Scheme names are case-insensitive. A stored value that is too short or malformed matches nothing. Values are
compared in constant time. Raises UnknownScheme for a scheme that is not in the list, or for a digest that this
system's hashlib lacks.
"""

from __future__ import annotations

import hashlib
import hmac

from .. import thirdparty
from ..smtp import base64

PLAIN = {
    b"SHA": "sha1",
    b"MD5": "md5",
    b"SHA256": "sha256",
    b"SHA384": "sha384",
    b"SHA512": "sha512",
    b"MD4": "md4",
    b"RMD160": "ripemd160",
}
SALTED = {b"SSHA": "sha1", b"SMD5": "md5", b"SSHA256": "sha256", b"SSHA384": "sha384", b"SSHA512": "sha512"}
SHORTEST_CRYPT = 13  # characters: the traditional form
NS_MTA_MD5_HALF = 32
# The setting for crypt(3) in `spend_time`: SHA-512 with the usual 5,000 rounds.
DUMMY = b"$6$saltofnobodyatall$"


class UnknownScheme(Exception):
    """args[0]: the name of the scheme, as bytes for the log."""


def matches(password: bytes, stored: bytes) -> bool:
    """Whether `password`, which holds no NUL, is the one stored. Raises UnknownScheme."""
    scheme, value = split(stored)
    if scheme in (b"", b"CRYPT"):
        return crypt_matches(password, value)
    if scheme == b"NS-MTA-MD5":
        return ns_mta_md5_matches(password, value)
    if scheme in PLAIN:
        return digest_matches(PLAIN[scheme], password, value, salted=False)
    if scheme in SALTED:
        return digest_matches(SALTED[scheme], password, value, salted=True)
    raise UnknownScheme(scheme)


def split(stored: bytes) -> tuple[bytes, bytes]:
    """The upper-case scheme name, empty without one, and what follows it."""
    if stored.startswith(b"{"):
        name, end, value = stored[1:].partition(b"}")
        if end:
            return name.upper(), value
    return b"", stored


def digest_matches(algorithm: str, password: bytes, value: bytes, *, salted: bool) -> bool:
    """Whether `value` is base64 of the digest of password and salt, followed by that salt.

    Raises UnknownScheme if hashlib lacks the algorithm."""
    decoded = base64.decoded(value)
    try:
        digest = hashlib.new(algorithm, password, usedforsecurity=False)
    except ValueError as error:
        raise UnknownScheme(algorithm.encode()) from error
    size = digest.digest_size
    if decoded is None or (len(decoded) > size) != salted or len(decoded) < size:
        return False
    digest.update(decoded[size:])
    return hmac.compare_digest(digest.digest(), decoded[:size])


def ns_mta_md5_matches(password: bytes, value: bytes) -> bool:
    """Whether `value` is the Netscape mail server's hash: MD5 in hex of salt, byte 89, password, byte 247, salt; then
    the salt."""
    if len(value) != 2 * NS_MTA_MD5_HALF:
        return False
    stored, salt = value[:NS_MTA_MD5_HALF], value[NS_MTA_MD5_HALF:]
    digest = hashlib.md5(salt + b"\x59" + password + b"\xf7" + salt, usedforsecurity=False)
    return hmac.compare_digest(digest.hexdigest().encode(), stored.lower())


def crypt_matches(password: bytes, value: bytes) -> bool:
    """Whether `value` is the crypt(3) hash of the password. A hash that starts with `*` is how crypt reports an error,
    and matches nothing."""
    if len(value) < SHORTEST_CRYPT or value.startswith(b"*"):
        return False
    hashed = crypt(password, value)
    return hashed is not None and hmac.compare_digest(hashed, value)


def crypt(password: bytes, setting: bytes) -> bytes | None:
    """The crypt(3) hash; None for a malformed setting, or for bytes that are not UTF-8, which crypt_r does not accept.

    Only the part of crypt_r that is in C is imported: the other one makes salts, and computes a hash with each method
    when it is imported."""
    thirdparty.add_to_path()
    import _crypt_r  # type: ignore[import-not-found]

    try:
        hashed = _crypt_r.crypt(password.decode(), setting.decode())
    except (OSError, ValueError):
        return None
    return hashed.encode() if hashed else None


def is_slow(stored: bytes) -> bool:
    """Whether comparing with this value takes about as long as `spend_time`, or longer."""
    scheme, value = split(stored)
    return scheme in (b"", b"CRYPT") and value.startswith(b"$") and not value.startswith(b"$1$")


def spend_time(password: bytes) -> None:
    """Take as long as a crypt(3) comparison, so that an unknown user takes as long as a known one."""
    crypt(password, DUMMY)
