"""Public keys of DKIM as the DNS has them (RFC 6376 section 3.6.1, RFC 8463). No I/O.

    key = parse_key(record, signature)      raises NotVerified: permerror, or policy for RSA under 1024 bits (RFC 8301)
    key.verifies(signed, signature)         whether the bytes are signed with its other half

RSA keys come as SubjectPublicKeyInfo or as PKCS#1's RSAPublicKey; both are read here, the arithmetic is that of the
`cryptography` package. It is imported by the first `verifies`, and only the parts for one kind of key: some 13 ms,
half of what its usual way in costs. The system's OpenSSL through ctypes would take 3 ms, but a wrong pointer there
is the end of the process, and which libcrypto it finds is the machine's choice.
"""

from __future__ import annotations

from .dkim_signature import NotVerified, base64, read_tags, single

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dkim_signature import Signature

SMALLEST = 1024  # bits of an RSA key
LARGEST = 8192  # bits; with an exponent of 64 bits a signature costs 5 ms

_INTEGER, _BIT_STRING, _SEQUENCE = 0x02, 0x03, 0x30
_RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")
_BLANKS = b" \t\n"


class RSAKey:
    """A modulus and an exponent. Raises ValueError for bytes that are no such key."""

    def __init__(self, der: bytes) -> None:
        self.modulus, self.exponent = _rsa_numbers(der)
        bits = self.modulus.bit_length()
        if bits < SMALLEST:
            raise NotVerified("policy", f"an RSA key of {bits} bits")
        if bits > LARGEST or not 3 <= self.exponent < 1 << 64 or not self.exponent & self.modulus & 1:
            raise ValueError("no RSA key to compute with")

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
    """32 bytes. Raises ValueError for anything else."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("no Ed25519 key")
        self.key = key

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Signed is the SHA-256 of what is signed (RFC 8463 section 3)."""
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
    """The key of a TXT record, if it is meant for this signature."""
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
    """Whether the signer only tries DKIM out: t=y. The record is one that parse_key took."""
    return b"y" in _words(single(read_tags(record)), b"t", b"")


def _check_meant(tags: Mapping[bytes, bytes], signature: Signature) -> None:
    if b"v" in tags and (next(iter(tags)), tags[b"v"]) != (b"v", b"DKIM1"):
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
    """Modulus and exponent (RFC 8017 appendix A.1.1), with SubjectPublicKeyInfo around them (RFC 5280) or without."""
    inside = _element(der, _SEQUENCE)[0]
    if inside[:1] == bytes([_SEQUENCE]):
        algorithm, rest = _element(inside, _SEQUENCE)
        if not algorithm.startswith(_RSA_ENCRYPTION):
            raise ValueError("not for RSA")
        bits = _element(rest, _BIT_STRING)[0]
        if bits[0]:  # unused bits at the end of whole bytes
            raise ValueError("damaged")
        inside = _element(bits[1:], _SEQUENCE)[0]
    modulus, rest = _element(inside, _INTEGER)
    exponent, _ = _element(rest, _INTEGER)
    return int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big")


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """The contents of the first element, which has this tag, and what follows it. Raises IndexError or ValueError."""
    length, begin = der[1], 2
    if length & 0x80:
        more = length & 0x7F
        length, begin = int.from_bytes(der[2 : 2 + more], "big"), 2 + more
    if der[0] != tag or begin + length > len(der):
        raise ValueError("damaged")
    return der[begin : begin + length], der[begin + length :]
