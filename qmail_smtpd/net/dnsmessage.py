"""DNS messages: write a query, parse a response (RFC 1035 section 4, RFC 3596). No I/O.

    packet = query(ident, name, rtype)             raises BadName
    reply = parse(packet, ident, name, rtype)      None if it is no response to that query; raises BadResponse

Names are bytes without a dot at the end and may contain any byte; in a name that was read, a dot or backslash within a
label is escaped by a backslash. Of a response only the records of the requested type count, and only those of the name
itself or of the name that its CNAMEs lead to: whatever else a server adds is ignored, and what stands behind the first
MOST_RECORDS. Every loop is bounded by the packet's length.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Labels = tuple[bytes, ...]

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
NO_ERROR, NXDOMAIN = 0, 3
RCODES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"}
LONGEST_NAME, LONGEST_LABEL = 253, 63  # bytes, written with dots
MOST_CNAMES = 16
MOST_RECORDS = 1000  # of an answer that are read; more would only cost time and memory
MOST_POINTERS = 127  # of one name: as many as it can have labels

_IN = 1  # the class
_HEADER = 12  # bytes
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _OPCODE, _RCODE = 0x8000, 0x0200, 0x0100, 0x7800, 0x000F
_AUTHORITATIVE, _RECURSION_AVAILABLE = 0x0400, 0x0080


class BadName(ValueError):
    """A name that no query can contain: with an empty label, or too long."""


class BadResponse(ValueError):
    """A response that violates RFC 1035."""


class Response:
    """A parsed response. `records` is empty if rcode is an error or the name has no such records. What a record is,
    `_data` says. `lame`: it is empty because the server neither is responsible for the name nor asks others, as in a
    referral (RFC 1034 section 4.3.1); it says nothing about the name."""

    __slots__ = ("rcode", "truncated", "records", "lame")

    def __init__(self, rcode: int, truncated: bool, records: list[Any], lame: bool = False) -> None:
        self.rcode = rcode
        self.truncated = truncated
        self.records = records
        self.lame = lame


def query(ident: int, name: bytes, rtype: str) -> bytes:
    """The packet that asks for the records of a name. Raises BadName."""
    head = b"".join(_number(each) for each in (ident, _RECURSION_DESIRED, 1, 0, 0, 0))
    labels = b"".join(b"%c%b" % (len(label), label) for label in _labels(name))
    return head + labels + b"\0" + _number(TYPES[rtype]) + _number(_IN)


def parse(packet: bytes, ident: int, name: bytes, rtype: str) -> Response | None:
    """The response to query(ident, name, rtype); None if the packet is something else. Raises BadResponse."""
    if len(packet) < _HEADER:
        return None
    try:
        flags = _word(packet, 2)
        if _word(packet, 0) != ident or not flags & _RESPONSE or flags & _OPCODE:
            return None
        rcode = flags & _RCODE
        if _word(packet, 4) == 0 and rcode not in (NO_ERROR, NXDOMAIN):
            return Response(rcode, False, [])  # an error response may leave the question out
        at = _same_question(packet, name, rtype)
        if not at:
            return None
        truncated = bool(flags & _TRUNCATED)
        records = [] if rcode or truncated else _answers(packet, at, name, rtype)
        lame = not (rcode or _word(packet, 6) or flags & (_AUTHORITATIVE | _RECURSION_AVAILABLE))
        return Response(rcode, truncated, records, lame)
    except IndexError:
        raise BadResponse("the response is cut short") from None


def _same_question(packet: bytes, name: bytes, rtype: str) -> int:
    """The offset behind the question section if it repeats our question, else 0."""
    if _word(packet, 4) != 1:
        return 0
    asked, at = _name(packet, _HEADER)
    ours = _folded(_labels(name)), TYPES[rtype], _IN
    return at + 4 if (_folded(asked), _word(packet, at), _word(packet, at + 2)) == ours else 0


def _answers(packet: bytes, at: int, name: bytes, rtype: str) -> list[Any]:
    """The records of type `rtype` that belong to the name or to the end of its chain of CNAMEs."""
    wanted = TYPES[rtype]
    aliases: dict[Labels, Labels] = {}
    found: dict[Labels, list[Any]] = {}
    known: dict[bytes, Labels] = {}
    for _ in range(min(_word(packet, 6), MOST_RECORDS)):
        owner, at = _owner(packet, at, known)
        kind, kind_class, start = _word(packet, at), _word(packet, at + 2), at + 10
        at = start + _word(packet, at + 8)
        if at > len(packet):
            raise IndexError
        if kind_class == _IN and kind == wanted:
            found.setdefault(owner, []).append(_data(packet, kind, start, at))
        elif kind_class == _IN and kind == TYPES["CNAME"]:
            aliases[owner] = _folded(_name(packet, start)[0])
    owner = _folded(_labels(name))
    for _ in range(MOST_CNAMES):
        if owner in found or owner not in aliases:
            break
        owner = aliases[owner]
    else:
        raise BadResponse("a loop of CNAMEs, or too many of them")
    return found.get(owner, [])


def _owner(packet: bytes, at: int, known: dict[bytes, Labels]) -> tuple[Labels, int]:
    """The owner of the record at `at`, in lower case, and the offset behind it. Most records of an answer have the same
    pointer as owner, and the name there may have more than a hundred labels: `known` is what pointers stand for."""
    pointer = packet[at : at + 2]
    if pointer not in known:
        labels, end = _name(packet, at)
        if packet[at] < 0xC0:
            return _folded(labels), end
        known[pointer] = _folded(labels)
    return known[pointer], at + 2


def _data(packet: bytes, kind: int, start: int, end: int) -> Any:
    """The data of a record: a packed address (A, AAAA), (preference, host) for MX, the joined strings of TXT, else a
    name."""
    if kind in (TYPES["A"], TYPES["AAAA"]):
        if end - start != (4 if kind == TYPES["A"] else 16):
            raise BadResponse("an address of the wrong length")
        return packet[start:end]
    if kind == TYPES["TXT"]:
        return _strings(packet[start:end])
    if kind == TYPES["MX"]:
        return _word(packet, start), _text(_name(packet, start + 2)[0])
    return _text(_name(packet, start)[0])


def _strings(data: bytes) -> bytes:
    parts, at = [], 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    if at > len(data):
        raise BadResponse("a string longer than its record")
    return b"".join(parts)


def _name(packet: bytes, at: int) -> tuple[Labels, int]:
    """The labels of the name at `at`, and the offset behind it. Every compression pointer must point further back than
    the one before, which excludes loops, and there may be few: otherwise a packet could hold thousands of names that
    all go through one chain of thousands of pointers."""
    labels: list[bytes] = []
    size, lowest, end, pointers = 0, at, 0, 0
    while length := packet[at]:
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | packet[at + 1]
            pointers += 1
            if at >= lowest or pointers > MOST_POINTERS:
                raise BadResponse("compression pointers that do not point back, or too many of them")
            lowest = at
            continue
        label = packet[at + 1 : at + 1 + length]
        size += 1 + length
        if length > LONGEST_LABEL or len(label) < length or size > LONGEST_NAME + 1:
            raise BadResponse("a name or label that is too long")
        labels.append(label)
        at += 1 + length
    return tuple(labels), end or at + 1


def _labels(name: bytes) -> Labels:
    """Raises BadName."""
    labels = tuple(name.removesuffix(b".").split(b"."))
    if sum(map(len, labels)) + len(labels) - 1 > LONGEST_NAME:
        raise BadName("the name is too long")
    if not all(0 < len(label) <= LONGEST_LABEL for label in labels):
        raise BadName("a label is empty or too long")
    return labels


def _folded(labels: Labels) -> Labels:
    return tuple(label.lower() for label in labels)


def _text(labels: Labels) -> bytes:
    return b".".join(label.replace(b"\\", b"\\\\").replace(b".", b"\\.") for label in labels)


def _number(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _word(packet: bytes, at: int) -> int:
    return packet[at] << 8 | packet[at + 1]
