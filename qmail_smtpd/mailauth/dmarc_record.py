"""A DMARC policy record: `v=DMARC1; p=reject; ...` (RFC 9989 section 4.7; SPEC section 17).

    record = read(text)                  None if it is no DMARC record: v= is not first, or not exactly DMARC1
    record.applies(subdomain, missing)   the policy with sp, np and t applied: none, quarantine or reject

Unknown tags and invalid values are ignored. But if p is missing, or p, sp or np has an invalid value, the record counts
as p=none if rua has a valid URI; otherwise DMARC does not apply (section 4.10.1). If a tag occurs twice the first one
counts. Names and values are read in any case, except DMARC1. Raises nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NO_POLICY, QUARANTINE, REJECT = b"none", b"quarantine", b"reject"

_BLANKS = b" \t"
_LETTERS = b"abcdefghijklmnopqrstuvwxyz"
_SCHEME = _LETTERS + _LETTERS.upper() + b"0123456789+-."
_BELOW = {REJECT: QUARANTINE, QUARANTINE: NO_POLICY, NO_POLICY: NO_POLICY}  # what t=y makes of a policy


class DmarcRecord:
    """One record. If `usable` is False DMARC does not apply, but `psd` still counts for the tree walk."""

    __slots__ = ("text", "usable", "psd", "strict_dkim", "strict_spf", "_p", "_sp", "_np", "_testing")

    def __init__(self, text: bytes, tags: dict[bytes, bytes]) -> None:
        self.text = text
        self.psd = tags.get(b"psd", b"").lower()
        self.strict_dkim = tags.get(b"adkim", b"").lower() == b"s"
        self.strict_spf = tags.get(b"aspf", b"").lower() == b"s"
        self._testing = tags.get(b"t", b"").lower() == b"y"
        asked = {name: tags[name].lower() for name in (b"p", b"sp", b"np") if name in tags}
        sound = b"p" in asked and all(policy in _BELOW for policy in asked.values())
        if not sound:
            asked = {}
        self.usable = sound or any(map(_is_uri, tags.get(b"rua", b"").split(b",")))
        self._p = asked.get(b"p", NO_POLICY)
        self._sp = asked.get(b"sp", self._p)
        self._np = asked.get(b"np")

    def applies(self, subdomain: bool, missing: Callable[[], bool]) -> bytes:
        """The policy for the record's own domain, or with `subdomain` for one below it. `missing` is called only if
        there is an np: whether the subdomain does not exist in the DNS."""
        if not subdomain:
            policy = self._p
        elif self._np is not None and missing():
            policy = self._np
        else:
            policy = self._sp
        return _BELOW[policy] if self._testing else policy


def read(text: bytes) -> DmarcRecord | None:
    """See the module's docstring."""
    first, *rest = text.split(b";")
    name, _, version = first.partition(b"=")
    if name.rstrip(_BLANKS).lower() != b"v" or version.strip(_BLANKS) != b"DMARC1":
        return None
    tags: dict[bytes, bytes] = {}
    for part in rest:
        name, equals, value = part.partition(b"=")
        if equals:
            tags.setdefault(name.strip(_BLANKS).lower(), value.strip(_BLANKS))
    return DmarcRecord(text, tags)


def _is_uri(text: bytes) -> bool:
    """Whether a text has the syntax of a URI (RFC 3986 section 3)."""
    scheme, colon, rest = text.strip(_BLANKS).partition(b":")
    if not colon or not rest or scheme[:1].lower() not in (b"%c" % letter for letter in _LETTERS):
        return False
    return not scheme.translate(None, _SCHEME) and all(32 < byte < 127 and byte not in b'<>"\\^`{|}' for byte in rest)
