"""Parse a DKIM-Signature field (RFC 6376 section 3.5; RFC 8301). No I/O.

    tags = read_tags(value)             also for key records
    signature = Signature(single(tags), value, now)

`value` is raw: everything behind the colon, folded lines with LF. Times are in seconds since the epoch. Raises
NotVerified with the result by RFC 8601 section 2.7.1 and SPEC section 17: neutral for a field that cannot be parsed,
permerror for one that lacks something or contradicts itself, policy for one that must not be trusted (any more).
"""

from __future__ import annotations

from binascii import a2b_base64

from .names import LONGEST, canonical, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    T = TypeVar("T")

NEEDED = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
ALGORITHMS = (b"rsa-sha256", b"ed25519-sha256")
FORMS = (b"simple", b"relaxed")
SKEW = 300  # seconds by which a signer's clock may be ahead of ours

_BLANKS = b" \t\n"  # white space of a folded field
_WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_OF_A_NAME = _WORD + b"-."


class NotVerified(Exception):
    """The signature is not verified; `result` is the result for it, `reason` says why."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


class Signature:
    """The contents of one field. `key_name` is where its key is looked up, `unsigned` its value without b=, `length` is
    l= or None."""

    __slots__ = (
        *("algorithm", "domain", "signer", "signature", "key_name"),
        *("header_form", "fields", "unsigned"),  # what of the header is signed
        *("body_form", "length", "body_hash"),
    )

    def __init__(self, tags: Mapping[bytes, bytes], value: bytes, now: float) -> None:
        _require(tags)
        self.algorithm = tags[b"a"].lower()
        self.header_form, self.body_form = _forms(tags.get(b"c", b"simple"))
        self.domain = _read(domain_name, tags, b"d").lower()
        self.key_name = _read(domain_name, tags, b"s") + b"._domainkey." + self.domain
        self.signer = _signer_domain(tags.get(b"i", b"@" + self.domain))
        self.fields = _field_names(tags[b"h"])
        self.body_hash = _read(base64, tags, b"bh")
        self.signature = _read(base64, tags, b"b")
        self.length = _read(_number, tags, b"l") if b"l" in tags else None
        self.unsigned = _without_signature(value)
        self._check_sense(tags)
        _check_times(tags, now)

    def _check_sense(self, tags: Mapping[bytes, bytes]) -> None:
        if len(self.key_name) > LONGEST:
            raise NotVerified("permerror", "the name of its key is too long")
        if b"from" not in self.fields:
            raise NotVerified("permerror", "h= does not name From")
        if not within(self.signer, self.domain):
            raise NotVerified("permerror", "i= is not of the domain in d=")
        if b"dns/txt" not in (method.strip(_BLANKS).lower() for method in tags.get(b"q", b"dns/txt").split(b":")):
            raise NotVerified("permerror", "q= does not have dns/txt")
        if self.algorithm == b"rsa-sha1":
            raise NotVerified("policy", "rsa-sha1 is not trusted any more")
        if self.algorithm not in ALGORITHMS:
            raise NotVerified("neutral", "a= is unknown")


def read_tags(text: bytes) -> list[tuple[bytes, bytes]]:
    """The names and values of a tag list, in order (RFC 6376 section 3.2), without blanks around them. Raises
    NotVerified."""
    tags = []
    for spec in text.split(b";"):
        name, equals, value = spec.partition(b"=")
        name = name.strip(_BLANKS)
        if not name and not equals:
            continue  # a `;` at the end, or two in a row, which all verifiers accept
        if not equals or not name[:1].isalpha() or name.strip(_WORD):
            raise NotVerified("neutral", "not a list of tags")
        tags.append((name, value.strip(_BLANKS)))
    return tags


def single(tags: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """A tag list as a dict. Raises NotVerified if a name occurs twice."""
    found: dict[bytes, bytes] = {}
    for name, value in tags:
        if name in found:
            raise NotVerified("permerror", f"{name[:20].decode('ascii')}= occurs twice")
        found[name] = value
    return found


def base64(value: bytes) -> bytes:
    """Decode base64, ignoring blanks. Raises ValueError."""
    text = value.translate(None, _BLANKS)
    return a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)


def domain_name(value: bytes) -> bytes:
    """A domain or selector, with U-labels changed to A-labels (RFC 8616 section 4). Raises ValueError if the DNS cannot
    be asked for it."""
    name = canonical(value)
    if name is None or name.strip(_OF_A_NAME) or value.endswith(b"."):
        raise ValueError("not a domain name")
    return value if value.isascii() else name


def _require(tags: Mapping[bytes, bytes]) -> None:
    for name in NEEDED:
        if not tags.get(name):
            raise NotVerified("permerror", f"{name.decode('ascii')}= is missing")
    if tags[b"v"] != b"1":
        raise NotVerified("permerror", "v= is not 1")


def _read(reader: Callable[[bytes], T], tags: Mapping[bytes, bytes], name: bytes) -> T:
    try:
        return reader(tags[name])
    except ValueError:
        raise NotVerified("neutral", f"{name.decode('ascii')}= cannot be read") from None


def _number(value: bytes) -> int:
    if not value.isdigit() or len(value) > 76:
        raise ValueError("not a number")
    return int(value)


def _forms(value: bytes) -> tuple[bytes, bytes]:
    header, _, body = value.lower().partition(b"/")
    forms = header.strip(_BLANKS), body.strip(_BLANKS) or b"simple"
    if not all(form in FORMS for form in forms):
        raise NotVerified("neutral", "c= is unknown")
    return forms


def _field_names(value: bytes) -> list[bytes]:
    """The names in h=. Empty ones, as behind a `:` at the end, name no field; all verifiers accept them."""
    names = [name.strip(_BLANKS).lower() for name in value.split(b":")]
    return [name for name in names if name]


def _signer_domain(value: bytes) -> bytes:
    _, at, domain = value.rpartition(b"@")
    if not at:
        raise NotVerified("neutral", "i= cannot be read")
    return canonical(domain.strip(_BLANKS)) or b""


def _check_times(tags: Mapping[bytes, bytes], now: float) -> None:
    signed = _read(_number, tags, b"t") if b"t" in tags else None
    expires = _read(_number, tags, b"x") if b"x" in tags else None
    if signed is not None and signed > now + SKEW:
        raise NotVerified("policy", "signed in the future")
    if expires is not None and signed is not None and expires < signed:
        raise NotVerified("policy", "expired before it was signed")
    if expires is not None and expires < now:
        raise NotVerified("policy", "expired")


def _without_signature(value: bytes) -> bytes:
    """The field as it was signed, with the value of b= removed."""
    specs = value.split(b";")
    for number, spec in enumerate(specs):
        name, equals, _ = spec.partition(b"=")
        if name.strip(_BLANKS) == b"b":
            specs[number] = name + equals
    return b";".join(specs)
