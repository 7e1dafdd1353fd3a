"""The milter protocol as bytes, versions 2 to 6 (SPEC section 15; libmilter's mfdef.h). Pure, no I/O.

A packet is four bytes of length, a letter and fields. One side sends commands, the other answers. The same letter means
different things on either side, so there are two tables of the fields that follow each letter.

    pack(COMMANDS, HELO, (b"name",))    the bytes of a packet
    packets.receive(data)               add bytes as they come, cut anywhere
    packets.next()                      the next packet without its length, None while it is not complete
    unpack(ANSWERS, packet)             (letter, fields)

Raises BadPacket for an unknown letter, fields that are missing, superfluous or not terminated, and a packet that is
empty or has more than LONGEST bytes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Fields = tuple[Any, ...]

VERSION, OLDEST = 6, 2
LONGEST = 1 << 20  # bytes of a packet, its letter included, as in libmilter
CHUNK = 65535  # bytes of the body in one packet
MOST_LISTS = 64  # lists of macros in a negotiation; there are only seven stages
_LENGTH, _NUMBER, _PORT = 4, 4, 2  # bytes

# The fields that can follow a letter. STRING: ends in NUL. STRINGS: one or more strings. PAIRS: names and values, to
# the end of the packet. LISTS: numbers of stages, each with a string, to the end. REST: all bytes to the end.
# OPTIONAL: the packet may end here.
NUMBER, PORT, LETTER, STRING, STRINGS, PAIRS, LISTS, REST, OPTIONAL = "npcsSPLr?"

# Commands: what the mail server sends
NEGOTIATE, MACROS, CONNECT, HELO, MAIL, RCPT, DATA = b"O", b"D", b"C", b"H", b"M", b"R", b"T"
HEADER, END_OF_HEADER, BODY, END_OF_BODY = b"L", b"N", b"B", b"E"
UNKNOWN, ABORT, QUIT, QUIT_NEW = b"U", b"A", b"Q", b"K"  # QUIT_NEW: another session follows on this connection

COMMANDS = {
    NEGOTIATE: NUMBER + NUMBER + NUMBER,  # version, actions, steps
    MACROS: LETTER + PAIRS,  # of which command
    CONNECT: STRING + LETTER + OPTIONAL + PORT + STRING,  # host, family, port, address
    HELO: STRING,
    MAIL: STRINGS,  # <address>, then the parameters
    RCPT: STRINGS,
    DATA: "",
    HEADER: STRING + STRING,
    END_OF_HEADER: "",
    BODY: REST,
    END_OF_BODY: REST,
    UNKNOWN: STRING,
    ABORT: "",
    QUIT: "",
    QUIT_NEW: "",
}
INET, INET6, UNIX, NO_FAMILY = b"4", b"6", b"L", b"U"

# Answers: what the milter sends. Every answer ends in a verdict; edits come before the verdict on the whole message.
CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP = b"c", b"a", b"r", b"t", b"d", b"s"
REPLY_CODE, SHUTDOWN, CONNECTION_FAILURE, PROGRESS, SET_MACROS = b"y", b"4", b"f", b"p", b"l"
ADD_HEADER, INSERT_HEADER, CHANGE_HEADER, REPLACE_BODY = b"h", b"i", b"m", b"b"
ADD_RCPT, ADD_RCPT_WITH, DELETE_RCPT, CHANGE_FROM, QUARANTINE = b"+", b"2", b"-", b"e", b"q"

ANSWERS = {
    NEGOTIATE: NUMBER + NUMBER + NUMBER + LISTS,  # version, actions, steps, macros wanted at which stage
    **dict.fromkeys((CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP, SHUTDOWN, CONNECTION_FAILURE, PROGRESS), ""),
    REPLY_CODE: STRING,
    SET_MACROS: LISTS,
    ADD_HEADER: STRING + STRING,
    INSERT_HEADER: NUMBER + STRING + STRING,
    CHANGE_HEADER: NUMBER + STRING + STRING,
    REPLACE_BODY: REST,
    ADD_RCPT: STRING,
    ADD_RCPT_WITH: STRINGS,  # <address>, parameters
    DELETE_RCPT: STRING,
    CHANGE_FROM: STRINGS,  # <address>, parameters
    QUARANTINE: STRING,
}

# Actions: the bit of the negotiation that each edit needs (SMFIF_*)
ACTION_OF = {
    ADD_HEADER: 0x01,
    INSERT_HEADER: 0x01,
    REPLACE_BODY: 0x02,
    ADD_RCPT: 0x04,
    DELETE_RCPT: 0x08,
    CHANGE_HEADER: 0x10,
    QUARANTINE: 0x20,
    CHANGE_FROM: 0x40,
    ADD_RCPT_WITH: 0x80,
    SET_MACROS: 0x100,
}
EDITS = frozenset(ACTION_OF) - {SET_MACROS}
ALL_ACTIONS = 0x1FF

# Steps: what a milter can ask for (SMFIP_*)
NOT_SENT = {  # SMFIP_NO*: this command must not be sent
    CONNECT: 0x01,
    HELO: 0x02,
    MAIL: 0x04,
    RCPT: 0x08,
    BODY: 0x10,
    HEADER: 0x20,
    END_OF_HEADER: 0x40,
    UNKNOWN: 0x100,
    DATA: 0x200,
}
NOT_ANSWERED = {  # SMFIP_NR_*: this command will not be answered
    HEADER: 0x80,
    CONNECT: 0x1000,
    HELO: 0x2000,
    MAIL: 0x4000,
    RCPT: 0x8000,
    DATA: 0x10000,
    UNKNOWN: 0x20000,
    END_OF_HEADER: 0x40000,
    BODY: 0x80000,
}
CAN_SKIP = 0x400  # SMFIP_SKIP: SKIP is understood
REFUSED_RCPTS = 0x800  # SMFIP_RCPT_REJ: recipients that were refused are sent too
LEADING_SPACE = 0x100000  # SMFIP_HDR_LEADSPC: values keep the blank behind the colon
ALL_STEPS = 0x1FFFFF
SINCE = {UNKNOWN: 3, DATA: 4}  # the version that a command came with
STAGES = (CONNECT, HELO, MAIL, RCPT, DATA, END_OF_BODY, END_OF_HEADER)  # as LISTS number them (SMFIM_*)


class BadPacket(Exception):
    """Bytes that violate the protocol; args[0] says how, as bytes for the log."""


class Packets:
    """Splits a stream of bytes into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> None:
        self._buffer += data

    def empty(self) -> bool:
        """Whether there is no unread byte."""
        return not self._buffer

    def next(self) -> bytes | None:
        """The next packet, without its length. Raises BadPacket as soon as a wrong length is known."""
        if len(self._buffer) < _LENGTH:
            return None
        end = _LENGTH + int.from_bytes(self._buffer[:_LENGTH], "big")
        if not _LENGTH < end <= _LENGTH + LONGEST:
            raise BadPacket(b"a packet of %d bytes" % (end - _LENGTH))
        if len(self._buffer) < end:
            return None
        packet = bytes(memoryview(self._buffer)[_LENGTH:end])
        del self._buffer[:end]
        return packet


def pack(layouts: Mapping[bytes, str], letter: bytes, fields: Fields = ()) -> bytes:
    """A packet with its length. NULs in a string are left out, since they would end it."""
    kinds = layouts[letter].replace(OPTIONAL, "")
    data = letter + b"".join(_WRITERS[kind](field) for kind, field in zip(kinds, fields, strict=False))
    return len(data).to_bytes(_LENGTH, "big") + data


def unpack(layouts: Mapping[bytes, str], packet: bytes) -> tuple[bytes, Fields]:
    """The letter and the fields of a packet without its length. Raises BadPacket."""
    letter, rest = packet[:1], packet[1:]
    if letter not in layouts:
        raise BadPacket(b"a packet with the unknown letter %r" % letter)
    fields = []
    try:
        for kind in layouts[letter]:
            if kind != OPTIONAL:
                field, rest = _READERS[kind](rest)
                fields.append(field)
            elif not rest:
                break
    except BadPacket as trouble:
        raise BadPacket(b"in a packet %r: %b" % (letter, trouble.args[0])) from None
    if rest:
        raise BadPacket(b"in a packet %r: superfluous bytes at its end" % letter)
    return letter, tuple(fields)


def _string(text: bytes) -> bytes:
    return text.replace(b"\0", b"") + b"\0"


_WRITERS: dict[str, Callable[[Any], bytes]] = {
    NUMBER: lambda number: number.to_bytes(_NUMBER, "big"),
    PORT: lambda number: number.to_bytes(_PORT, "big"),
    LETTER: lambda letter: letter,
    STRING: _string,
    STRINGS: lambda strings: b"".join(map(_string, strings)),
    PAIRS: lambda pairs: b"".join(_string(name) + _string(value) for name, value in pairs),
    LISTS: lambda lists: b"".join(stage.to_bytes(_NUMBER, "big") + _string(names) for stage, names in lists),
    REST: lambda data: data,
}


def _take(length: int, rest: bytes) -> tuple[bytes, bytes]:
    if len(rest) < length:
        raise BadPacket(b"it is too short")
    return rest[:length], rest[length:]


def _take_number(rest: bytes, length: int = _NUMBER) -> tuple[int, bytes]:
    digits, rest = _take(length, rest)
    return int.from_bytes(digits, "big"), rest


def _take_string(rest: bytes) -> tuple[bytes, bytes]:
    text, end, rest = rest.partition(b"\0")
    if not end:
        raise BadPacket(b"a string without the NUL that ends it")
    return text, rest


def _take_strings(rest: bytes) -> tuple[tuple[bytes, ...], bytes]:
    if not rest.endswith(b"\0"):
        raise BadPacket(b"a string without the NUL that ends it")
    return tuple(rest[:-1].split(b"\0")), b""


def _take_pairs(rest: bytes) -> tuple[tuple[tuple[bytes, bytes], ...], bytes]:
    strings = _take_strings(rest)[0] if rest else ()
    if len(strings) % 2:
        raise BadPacket(b"a name without a value")
    return tuple(zip(strings[::2], strings[1::2], strict=True)), b""


def _take_lists(rest: bytes) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    lists: list[tuple[int, bytes]] = []
    while rest:
        if len(lists) == MOST_LISTS:
            raise BadPacket(b"too many lists of macros")
        stage, rest = _take_number(rest)
        names, rest = _take_string(rest)
        lists.append((stage, names))
    return tuple(lists), b""


_READERS: dict[str, Callable[[bytes], tuple[Any, bytes]]] = {
    NUMBER: _take_number,
    PORT: lambda rest: _take_number(rest, _PORT),
    LETTER: lambda rest: _take(1, rest),
    STRING: _take_string,
    STRINGS: _take_strings,
    PAIRS: _take_pairs,
    LISTS: _take_lists,
    REST: lambda rest: (rest, b""),
}
