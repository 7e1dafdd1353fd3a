"""The packets of POP before SMTP (SPEC section 11): bytes in, bytes out, no I/O. Lengths are one byte each.

    query   `Q` addrlen addr 0
    add     `A` addrlen addr secretlen secret LIST
    reply   `R` addrlen addr status LIST      status `R`: may relay; `N` ends the packet
    LIST    count, then for each its length and `NAME=value`

Ours, where both sides have the secret: a query with a nonce in the place of the 0, padded so that no answer is more
than three times as long, and an answer that ends in a MAC of nonce and answer. Servers that do not know it keep silent.

    query   `Q` addrlen addr 16 nonce PADDING
    reply   as above, then HMAC-SHA256(secret, nonce reply)

At most 255 entries and 1024 bytes, the MAC not counted. Readers of requests raise Malformed for everything else,
trailing bytes included. `read_reply` is milder, as the field's client is: a status `R` holds even if its list is broken
or missing, but of a broken list nothing is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST = 1024  # bytes of a packet
MOST_ENTRIES = 255
NONCE, MAC = 16, 32  # bytes
AMPLIFICATION = 3  # how much longer than a query its answer may be: the sender may be somebody else
PADDED = (LARGEST + MAC + AMPLIFICATION - 1) // AMPLIFICATION  # bytes of a query with a nonce
LONGEST = 255  # bytes of an entry, an address or a secret


class Malformed(Exception):
    """A packet that is none of ours."""


class Request:
    """A query or, with a secret, an addition. `entries` is the LIST as it came, ready for a reply."""

    __slots__ = ("address", "entries", "nonce", "secret")

    def __init__(self, address: bytes, secret: bytes | None = None, entries: bytes = b"\0", nonce: bytes = b"") -> None:
        self.address = address
        self.nonce = nonce
        self.secret = secret
        self.entries = entries


def query(address: bytes, nonce: bytes = b"") -> bytes:
    """The question whether `address` may relay."""
    packet = b"Q" + _counted(address) + _counted(nonce)
    return packet.ljust(PADDED, b"\0") if nonce else packet


def reply(address: bytes, entries: bytes | None, most: int = LARGEST) -> bytes:
    """The answer: yes, with as much of the LIST of a Request as fits into `most` bytes, or no (None)."""
    head = b"R" + _counted(address)
    return head + b"N" if entries is None else head + b"R" + _shortened(entries, most - len(head) - 1)


def signed(answer: bytes, secret: bytes, nonce: bytes) -> bytes:
    """The answer with its MAC."""
    from hmac import digest  # not for those who have no secret

    return answer + digest(secret, nonce + answer, "sha256")


def verified(packet: bytes, secret: bytes, nonce: bytes) -> bytes | None:
    """The answer without its MAC; None if that is not the right one."""
    from hmac import compare_digest

    answer = packet[:-MAC]
    return answer if compare_digest(packet, signed(answer, secret, nonce)) else None


def add(address: bytes, secret: bytes, entries: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, list[bytes]]:
    """The packet that adds `address`, and the names of the entries for which it has no room."""
    head = b"A" + _counted(address) + _counted(secret)
    room = LARGEST - len(head) - 1
    packed: list[bytes] = []
    left_out = []
    for name, value in entries:
        entry = name + b"=" + value
        if len(entry) > LONGEST or 1 + len(entry) > room or len(packed) == MOST_ENTRIES:
            left_out.append(name)
        else:
            packed.append(_counted(entry))
            room -= 1 + len(entry)
    return head + bytes([len(packed)]) + b"".join(packed), left_out


def read_request(packet: bytes) -> Request:
    """What a client sent to the server. Raises Malformed."""
    if len(packet) > LARGEST:
        raise Malformed
    kind = packet[:1]
    address, rest = _take(packet[1:])
    if len(address) not in (4, 16):
        raise Malformed
    if kind == b"Q":
        nonce, padding = _take(rest)
        if len(nonce) not in (0, NONCE) or padding.strip(b"\0") or (padding and not nonce):
            raise Malformed
        return Request(address, nonce=nonce)
    if kind == b"A":
        secret, entries = _take(rest)
        _read_list(entries, exact=True)
        return Request(address, secret, entries)
    raise Malformed


def read_reply(packet: bytes, address: bytes) -> list[tuple[bytes, bytes]] | None:
    """None if `address` may not relay (or this is no answer about it), else the names and values sent along."""
    head = b"R" + _counted(address)
    if packet[: len(head) + 1] != head + b"R":
        return None
    try:
        entries = _read_list(packet[len(head) + 1 :], exact=False)
        return [_name_and_value(entry) for entry in entries]
    except Malformed:
        return []


def _counted(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def _shortened(entries: bytes, room: int) -> bytes:
    """A LIST without the entries that do not fit."""
    if len(entries) <= room:
        return entries
    kept: list[bytes] = []
    for entry in map(_counted, _read_list(entries, exact=True)):
        if 1 + sum(map(len, kept)) + len(entry) <= room:
            kept.append(entry)
    return bytes([len(kept)]) + b"".join(kept)


def _take(data: bytes) -> tuple[bytes, bytes]:
    """A text after its length, and what follows it."""
    if not data or len(data) <= data[0]:
        raise Malformed
    return data[1 : 1 + data[0]], data[1 + data[0] :]


def _read_list(data: bytes, exact: bool) -> list[bytes]:
    if not data:
        raise Malformed
    entries = []
    rest = data[1:]
    for _ in range(data[0]):
        entry, rest = _take(rest)
        entries.append(entry)
    if exact and rest:
        raise Malformed
    return entries


def _name_and_value(entry: bytes) -> tuple[bytes, bytes]:
    name, equals, value = entry.partition(b"=")
    if not name or not equals or b"\0" in entry:
        raise Malformed  # no environment could hold it
    return name, value
