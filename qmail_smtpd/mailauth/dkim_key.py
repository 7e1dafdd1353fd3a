"""Public keys of DKIM, from their TXT records (RFC 6376 section 3.6.1, RFC 8463). No I/O.

    key = parse_key(record, signature)      raises NotVerified: permerror; policy for RSA under 1024 bits (RFC 8301)
    key.verifies(signed, signature)         whether `signature` is that of the bytes `signed` by this key

An RSA key may be a SubjectPublicKeyInfo or a PKCS#1 RSAPublicKey. Both are parsed here; the package `cryptography` does
the arithmetic. The first `verifies` imports it, and only the modules for one kind of key: 13 ms, half of what its usual
imports take. Calling the system's OpenSSL by ctypes would take 3 ms, but a mistake there crashes the process, and it is
uncertain which libcrypto is found.
"""

from __future__ import annotations

from .dkim_signature import NotVerified, base64, read_tags, single

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dkim_signature import Signature

SMALLEST = 1024  # bits of an RSA key
LARGEST = 8192  # bits; such a key, with an exponent of 64 bits, takes 5 ms for a signature

_INTEGER, _BIT_STRING, _SEQUENCE = 0x02, 0x03, 0x30
_RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")
_BLANKS = b" \t\n"


class RSAKey:
    """An RSA public key, from DER. Raises ValueError or IndexError if it is none, NotVerified if it is too short."""

    def __init__(self, der: bytes) -> None:
        self.modulus, self.exponent = _rsa_numbers(der)
        bits = self.modulus.bit_length()
        if bits < SMALLEST:
            raise NotVerified("policy", f"an RSA key of {bits} bits")
        if bits > LARGEST or not 3 <= self.exponent < 1 << 64 or not self.exponent & self.modulus & 1:
            raise ValueError("not a usable RSA key")

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            key = RSAPublicNumbers(self.exponent, self.modulus).public_key()
            key.verify(signature, signed, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


class Ed25519Key:
    """An Ed25519 public key: 32 bytes, else ValueError is raised."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("no Ed25519 key")
        self.key = key

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """See the module's docstring. Ed25519 signs the SHA-256 of the bytes (RFC 8463 section 3)."""
        from hashlib import sha256

        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, sha256(signed).digest())
        except (InvalidSignature, ValueError):
            return False
        return True


def preload() -> None:
    """For a parent that forks: import what `verifies` needs."""
    import hashlib  # noqa: F401

    import cryptography.exceptions  # noqa: F401
    from cryptography.hazmat.primitives import hashes  # noqa: F401
    from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa  # noqa: F401


KINDS: dict[bytes, type[RSAKey] | type[Ed25519Key]] = {b"rsa": RSAKey, b"ed25519": Ed25519Key}


def parse_key(record: bytes, signature: Signature) -> RSAKey | Ed25519Key:
    """The key in a TXT record. Raises NotVerified if there is none, or if it may not be used for this signature."""
    try:
        tags = single(read_tags(record))
    except NotVerified as trouble:
        raise NotVerified("permerror", f"key record: {trouble.reason}") from None
    _check_meant(tags, signature)
    kind = tags.get(b"k", b"rsa").lower()
    if signature.algorithm != kind + b"-sha256":
        raise NotVerified("permerror", "the key is for another algorithm")
    if tags.get(b"p") == b"":
        raise NotVerified("permerror", "the key is revoked")
    try:
        return KINDS[kind](base64(tags[b"p"]))
    except (KeyError, ValueError, IndexError):
        raise NotVerified("permerror", "the key cannot be read") from None


def is_testing(record: bytes) -> bool:
    """Whether the domain is only testing DKIM (t=y). The record must be one that parse_key has accepted."""
    return b"y" in _words(single(read_tags(record)), b"t", b"")


def _check_meant(tags: Mapping[bytes, bytes], signature: Signature) -> None:
    if tags.get(b"v", b"DKIM1") != b"DKIM1":  # v= must come first, but all verifiers accept it anywhere
        raise NotVerified("permerror", "the record is not a key of DKIM1")
    if b"sha256" not in _words(tags, b"h", b"sha256"):
        raise NotVerified("permerror", "the key is not for sha256")
    if not {b"*", b"email"} & _words(tags, b"s", b"*"):
        raise NotVerified("permerror", "the key is not for mail")
    if b"s" in _words(tags, b"t", b"") and signature.signer != signature.domain:
        raise NotVerified("permerror", "the key is not for subdomains")


def _words(tags: Mapping[bytes, bytes], name: bytes, default: bytes) -> set[bytes]:
    return {word.strip(_BLANKS).lower() for word in tags.get(name, default).split(b":")}


def _rsa_numbers(der: bytes) -> tuple[int, int]:
    """Modulus and exponent of an RSAPublicKey (RFC 8017 appendix A.1.1), which may be within a SubjectPublicKeyInfo
    (RFC 5280). Raises ValueError or IndexError."""
    inside = _element(der, _SEQUENCE)[0]
    if inside[:1] == bytes([_SEQUENCE]):
        algorithm, rest = _element(inside, _SEQUENCE)
        if not algorithm.startswith(_RSA_ENCRYPTION):
            raise ValueError("not for RSA")
        bits = _element(rest, _BIT_STRING)[0]
        if bits[0]:  # the number of unused bits, which must be 0
            raise ValueError("damaged")
        inside = _element(bits[1:], _SEQUENCE)[0]
    modulus, rest = _element(inside, _INTEGER)
    exponent, _ = _element(rest, _INTEGER)
    return int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """The contents of the first DER element, which must have this tag, and the bytes behind it. Raises IndexError or
    ValueError."""
    length, begin = der[1], 2
    if length & 0x80:
        more = length & 0x7F
        length, begin = int.from_bytes(der[2 : 2 + more], "big"), 2 + more
    if der[0] != tag or begin + length > len(der):
        raise ValueError("damaged")
    return der[begin : begin + length], der[begin + length :]
