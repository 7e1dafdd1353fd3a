"""Parse SPF records (RFC 7208 sections 4.5, 4.6, 5, 6 and 12). No look-ups. Raises SpfSyntaxError.

select(texts)        the SPF record among TXT records, None without one; raises for more than one
parse(text)          an SpfRecord; raises for an error anywhere in it
parse_rules(text)    mechanisms only, without version and modifiers, as in control/spfrules
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from .spf_macros import SpfSyntaxError, parse_domain
from .spf_macros import parse as parse_macros

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .spf_macros import Pieces

VERSION = b"v=spf1"

_ALPHA = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NAME = _ALPHA | frozenset(b"0123456789-_.")


class Mechanism:
    """One mechanism. Members that its kind does not use are empty."""

    __slots__ = ("text", "qualifier", "kind", "target", "network", "bits")

    def __init__(self, text: bytes, qualifier: bytes, kind: bytes) -> None:
        self.text = text  # as written in the record
        self.qualifier = qualifier  # one of + - ~ ?
        self.kind = kind  # in lower case
        self.target: Pieces = ()  # the domain-spec
        self.network = b""  # of ip4 and ip6: the address, 4 or 16 bytes
        self.bits = {4: 32, 16: 128}  # for each length of an address the prefix length


class SpfRecord:
    """A parsed record; `redirect` and `exp` are empty without such a modifier."""

    __slots__ = ("text", "mechanisms", "redirect", "exp")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.mechanisms: list[Mechanism] = []
        self.redirect: Pieces = ()
        self.exp: Pieces = ()


def select(texts: list[bytes]) -> bytes | None:
    records = [text for text in texts if text[:6].lower() == VERSION and text[6:7] in (b"", b" ")]
    if len(records) > 1:
        raise SpfSyntaxError("more than one record")
    return records[0] if records else None


def parse(text: bytes) -> SpfRecord:
    record = SpfRecord(text)
    for term in text[len(VERSION) :].split(b" "):
        name, equals, value = term.partition(b"=")
        if equals and name[:1] and name[0] in _ALPHA and _NAME.issuperset(name):
            _modifier(record, name.lower(), value)
        elif term:
            record.mechanisms.append(_mechanism(term))
    return record


def parse_rules(text: bytes) -> list[Mechanism]:
    return [_mechanism(term) for term in text.split()]


def _modifier(record: SpfRecord, name: bytes, value: bytes) -> None:
    if name not in (b"redirect", b"exp"):
        parse_macros(value)  # unknown modifiers must have the right syntax too
    elif getattr(record, name.decode()):
        raise SpfSyntaxError(f"{name.decode()}= twice")
    else:
        setattr(record, name.decode(), parse_domain(value))


def _mechanism(term: bytes) -> Mechanism:
    qualifier, rest = (term[:1], term[1:]) if term[:1] in (b"+", b"-", b"~", b"?") else (b"+", term)
    length = min(len(rest.partition(b":")[0]), len(rest.partition(b"/")[0]))
    kind, argument = rest[:length].lower(), rest[length:]
    if kind not in _READERS:
        raise SpfSyntaxError("an unknown mechanism")
    mechanism = Mechanism(term, qualifier, kind)
    _READERS[kind](mechanism, argument)
    return mechanism


def _all(mechanism: Mechanism, argument: bytes) -> None:
    if argument:
        raise SpfSyntaxError("all with an argument")


def _domain(mechanism: Mechanism, argument: bytes) -> None:
    """`:` and a domain-spec: include, exists."""
    if not argument.startswith(b":"):
        raise SpfSyntaxError("no domain")
    mechanism.target = parse_domain(argument[1:])


def _optional_domain(mechanism: Mechanism, argument: bytes) -> None:
    """The same, or nothing: ptr."""
    if argument:
        _domain(mechanism, argument)


def _hosts(mechanism: Mechanism, argument: bytes) -> None:
    """The same, with prefix lengths for IPv4 (`/24`), IPv6 (`//64`) or both (`/24//64`): a, mx."""
    before, slash, digits = argument.rpartition(b"//")
    if slash and digits.isdigit():
        mechanism.bits[16] = _prefix(digits, 128)
        argument = before
    before, slash, digits = argument.rpartition(b"/")
    if slash and digits.isdigit():
        mechanism.bits[4] = _prefix(digits, 32)
        argument = before
    _optional_domain(mechanism, argument)


def _ip4(mechanism: Mechanism, argument: bytes) -> None:
    _network(mechanism, argument, AF_INET, 4)


def _ip6(mechanism: Mechanism, argument: bytes) -> None:
    _network(mechanism, argument, AF_INET6, 16)


def _network(mechanism: Mechanism, argument: bytes, family: int, size: int) -> None:
    """`:`, an address and perhaps `/` and a prefix length."""
    address, slash, digits = argument[1:].partition(b"/")
    try:
        mechanism.network = inet_pton(family, address.decode("ascii"))
    except (OSError, ValueError):  # ValueError: not ASCII, or a NUL
        raise SpfSyntaxError("no address") from None
    if not argument.startswith(b":"):
        raise SpfSyntaxError("no address")
    if slash:
        mechanism.bits[size] = _prefix(digits, size * 8)


def _prefix(digits: bytes, most: int) -> int:
    if not digits.isdigit() or len(digits) > 3 or (digits[:1] == b"0" and digits != b"0") or int(digits) > most:
        raise SpfSyntaxError("an invalid prefix length")
    return int(digits)


_READERS = {
    b"all": _all,
    b"include": _domain,
    b"exists": _domain,
    b"a": _hosts,
    b"mx": _hosts,
    b"ptr": _optional_domain,
    b"ip4": _ip4,
    b"ip6": _ip6,
}
