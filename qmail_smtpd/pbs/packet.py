"""The packets of POP before SMTP (SPEC section 11). No I/O. Each length is one byte.

    query   `Q` addrlen addr 0
    add     `A` addrlen addr secretlen secret LIST
    reply   `R` addrlen addr status LIST      status `R`: may relay; `N` ends the packet
    LIST    count, then for each its length and `NAME=value`

An extension of ours, used if both sides have the secret: the query has a nonce instead of the 0, and padding, so that
no answer is more than three times as long; the answer ends in a MAC of nonce and answer. Servers without this extension
do not answer.

    query   `Q` addrlen addr 16 nonce PADDING
    reply   as above, then HMAC-SHA256(secret, nonce reply)

A packet has at most 255 entries and 1024 bytes, not counting the MAC. `read_request` raises BadRequest for everything
else, also for trailing bytes. `read_reply` is lenient, as the original client is: the status `R` counts even if the
LIST is broken or missing, but a broken LIST is ignored.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST = 1024  # bytes of a packet
MOST_ENTRIES = 255
NONCE, MAC = 16, 32  # bytes
AMPLIFICATION = 3  # how many times longer an answer may be than the query, whose sender's address may be forged
PADDED = (LARGEST + MAC + AMPLIFICATION - 1) // AMPLIFICATION  # bytes of a query with a nonce
LONGEST = 255  # bytes of an entry, an address or a secret


class BadRequest(Exception):
    """A packet that is no valid request, or has a broken LIST."""


class Request:
    """A query or, if `secret` is not None, an addition. `entries` is the LIST as it came, fit for a reply."""

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
    """The answer, of at most `most` bytes: yes, with those of `entries` that fit, or for None no."""
    head = b"R" + _counted(address)
    return head + b"N" if entries is None else head + b"R" + _shortened(entries, most - len(head) - 1)


def signed(answer: bytes, secret: bytes, nonce: bytes) -> bytes:
    """The answer with its MAC."""
    from hmac import digest  # imported only where there is a secret

    return answer + digest(secret, nonce + answer, "sha256")


def verified(packet: bytes, secret: bytes, nonce: bytes) -> bytes | None:
    """The answer without its MAC; None if the MAC is wrong."""
    from hmac import compare_digest

    answer = packet[:-MAC]
    return answer if compare_digest(packet, signed(answer, secret, nonce)) else None


def add(address: bytes, secret: bytes, entries: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, list[bytes]]:
    """The packet that adds `address`, and the names of entries that do not fit into it."""
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
    """A packet that the server has received. Raises BadRequest."""
    if len(packet) > LARGEST:
        raise BadRequest
    kind = packet[:1]
    address, rest = _take(packet[1:])
    if len(address) not in (4, 16):
        raise BadRequest
    if kind == b"Q":
        nonce, padding = _take(rest)
        if len(nonce) not in (0, NONCE) or padding.strip(b"\0") or (padding and not nonce):
            raise BadRequest
        return Request(address, nonce=nonce)
    if kind == b"A":
        secret, entries = _take(rest)
        _read_list(entries, exact=True)
        return Request(address, secret, entries)
    raise BadRequest


def read_reply(packet: bytes, address: bytes) -> list[tuple[bytes, bytes]] | None:
    """The names and values in an answer which says that `address` may relay; None for any other packet."""
    head = b"R" + _counted(address)
    if packet[: len(head) + 1] != head + b"R":
        return None
    try:
        entries = _read_list(packet[len(head) + 1 :], exact=False)
        return [_name_and_value(entry) for entry in entries]
    except BadRequest:
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
    """A text that follows its length, and the rest. Raises BadRequest."""
    if not data or len(data) <= data[0]:
        raise BadRequest
    return data[1 : 1 + data[0]], data[1 + data[0] :]


def _read_list(data: bytes, exact: bool) -> list[bytes]:
    if not data:
        raise BadRequest
    entries = []
    rest = data[1:]
    for _ in range(data[0]):
        entry, rest = _take(rest)
        entries.append(entry)
    if exact and rest:
        raise BadRequest
    return entries


def _name_and_value(entry: bytes) -> tuple[bytes, bytes]:
    name, equals, value = entry.partition(b"=")
    if not name or not equals or b"\0" in entry:
        raise BadRequest  # it cannot be in an environment
    return name, value
