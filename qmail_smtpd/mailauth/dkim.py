"""DKIM: verify the signatures of a message (RFC 6376, 8301, 8463; SPEC section 17). No I/O; the DNS is a function.

    results = verify(fields, body, lookup, now)
    results = verify(fields, body, lookup, now, ahead)

`fields` are (name, raw value) of the header fields, `body()` iterates over blocks of the body with LF line ends,
`lookup` is as in dns.py, `now` in seconds since the epoch. Returns a Result for each of the first MOST signatures from
the top, in their order: pass, fail, permerror, neutral, policy or temperror; an empty list for an unsigned message.
Further signatures are ignored. Raises only what `body` raises. The package `cryptography` must be importable.

The key records of a name are looked up once. `ahead`, if given, is called first with all questions that will follow.
The body is read at most once, and only if the header of a signature is correctly signed.
"""

from __future__ import annotations

from .dkim_body import body_hashes
from .dkim_canon import HEADER
from .dkim_key import is_testing, parse_key
from .dkim_signature import NotVerified, Signature, domain_name, read_tags, single
from .dns import NoSuchName, Temporary
from .results import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .dkim_key import Ed25519Key, RSAKey
    from .dns import Lookup

    Field = tuple[bytes, bytes]

MOST = 8  # signatures that are verified
MOST_RECORDS = 8  # key records of one name that are tried
SHOWN, MOST_SHOWN = 8, 32  # characters of b= in a result; more than 8 if signatures begin alike (RFC 6008)


class _Check:
    """The verification of one signature. Each step raises NotVerified if the result is known then."""

    def __init__(self, index: int, value: bytes) -> None:
        self.index = index  # of the field in the header
        self.value = value
        self.tags: dict[bytes, bytes] = {}  # for the result
        self.signature: Signature | None = None  # once it is parsed
        self.record = b""  # the TXT record with the key
        self.result = ""
        self.reason = ""

    def read(self, now: float) -> None:
        """Parse the field."""
        tags = read_tags(self.value)
        self.tags = dict(tags)
        self.signature = Signature(single(tags), self.value, now)

    def prove(self, header: _Header, keys: _Keys) -> None:
        """Verify the signature of the header; the hash of the body is left to _check_bodies."""
        assert self.signature is not None
        usable = keys.usable(self.signature)
        signed = header.signed(self.signature, self.index)
        for self.record, key in usable:
            if key.verifies(signed, self.signature.signature):
                return
        raise NotVerified("fail", "the signature is wrong")

    def end(self, result: str, reason: str = "") -> None:
        """Set the result."""
        self.result, self.reason = result, reason
        if self.record and is_testing(self.record):
            self.reason += (self.reason and ", ") + "the domain is only testing DKIM"


def verify(
    fields: Sequence[Field],
    body: Callable[[], Iterable[bytes]],
    lookup: Lookup,
    now: float,
    ahead: Callable[[list[tuple[bytes, str]]], object] | None = None,
) -> list[Result]:
    """See the module's docstring."""
    signed = [index for index, (name, _) in enumerate(fields) if _name(name) == b"dkim-signature"][:MOST]
    checks = [_Check(index, fields[index][1]) for index in signed]
    header = _Header(fields)
    keys = _Keys(lookup)
    read = [check for check in checks if _proceeds(check, check.read, now)]
    if ahead is not None:
        ahead([(check.signature.key_name, "TXT") for check in read if check.signature])
    good = [check for check in read if _proceeds(check, check.prove, header, keys)]
    _check_bodies(good, body)
    return _results(checks)


def _proceeds(check: _Check, step: Callable[..., None], *facts: object) -> bool:
    """Do a step of a check; False if the check has its result."""
    try:
        step(*facts)
    except NotVerified as trouble:
        check.end(trouble.result, trouble.reason)
        return False
    return True


def _check_bodies(checks: Iterable[_Check], body: Callable[[], Iterable[bytes]]) -> None:
    """Set the results of checks whose header is correctly signed, by the hashes of the body."""
    good = [(check, check.signature) for check in checks if check.signature]
    hashes = body_hashes(body, {(signature.body_form, signature.length) for _, signature in good})
    for check, signature in good:
        missing, digest = hashes[signature.body_form, signature.length]
        if missing > 0:
            check.end("fail", "the body is shorter than l= says")
        elif digest != signature.body_hash:
            check.end("fail", "the body has changed")
        else:
            check.end("pass", f"{-missing} bytes behind l= are not signed" if missing else "")


class _Header:
    """The header fields, with an index of their names."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._places: dict[bytes, list[int]] = {}
        for index, (name, _) in enumerate(fields):
            self._places.setdefault(_name(name), []).append(index)

    def signed(self, signature: Signature, index: int) -> bytes:
        """The canonical text of the header that a signature signs (RFC 6376 section 3.7): the fields that it names,
        several of one name from the bottom up, then the signature itself, the field at `index`, without its b=."""
        form = HEADER[signature.header_form]
        waiting = {name: [n for n in self._places.get(name, ()) if n != index] for name in set(signature.fields)}
        chosen = [waiting[name].pop() for name in signature.fields if waiting[name]]
        own = form(self._fields[index][0], signature.unsigned)
        return b"".join([*(form(*self._fields[n]) for n in chosen), own.removesuffix(b"\r\n")])


class _Keys:
    """The public keys of signatures; the records of each name are looked up once."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: dict[bytes, list[bytes] | NotVerified] = {}

    def usable(self, signature: Signature) -> list[tuple[bytes, RSAKey | Ed25519Key]]:
        """(record, key) for each record with a key for this signature, at least one. Raises NotVerified."""
        usable, trouble = [], NotVerified("permerror", "there is no key")
        for record in self._records(signature.key_name):
            try:
                usable.append((record, parse_key(record, signature)))
            except NotVerified as found:
                trouble = found
        if not usable:
            raise trouble
        return usable

    def _records(self, name: bytes) -> list[bytes]:
        if name not in self._known:
            self._known[name] = self._asked(name)
        known = self._known[name]
        if isinstance(known, NotVerified):
            raise known
        return known

    def _asked(self, name: bytes) -> list[bytes] | NotVerified:
        try:
            return self._lookup(name, "TXT")[:MOST_RECORDS]
        except NoSuchName:
            return []
        except Temporary as trouble:
            return NotVerified("temperror", str(trouble))


def _results(checks: Sequence[_Check]) -> list[Result]:
    """The Results of all checks. Properties that a signature lacks, or that cannot be read, are left out."""
    begun = [_base64_text(check.tags.get(b"b", b""))[:MOST_SHOWN] for check in checks]
    length = SHOWN
    while len({b[:length] for b in begun}) < len(set(begun)):
        length += 1
    results = []
    for check, b in zip(checks, begun, strict=True):
        domain, selector, algorithm = (_shown(check.tags.get(name, b"")) for name in (b"d", b"s", b"a"))
        said = [("d", domain.lower()), ("s", selector), ("a", algorithm), ("b", b[:length])]
        properties = [(f"header.{name}", value) for name, value in said if value]
        results.append(Result("dkim", check.result, properties, domain.lower(), check.reason, check.record))
    return results


def _name(name: bytes) -> bytes:
    return name.rstrip(b" \t").lower()


def _shown(value: bytes) -> bytes:
    try:
        return domain_name(value)
    except ValueError:
        return b""


def _base64_text(value: bytes) -> bytes:
    text = value.translate(None, b" \t\n")
    return text if text.translate(None, b"+/=").isalnum() else b""
