"""Parse the argument of MAIL and RCPT into an address and parameters (SPEC section 4; RFC 5321 section 4.1.2).

Deliberately lenient, byte for byte like the qmail-ldap family: sites rely on what it makes of odd input. Pure; raises
nothing.
"""

from __future__ import annotations

from .numbers import leading_number

LONGEST = 899  # bytes


def parse(argument: bytes) -> tuple[bytes | None, list[bytes]]:
    """`FROM:<user@host> SIZE=1` -> (b"user@host", [b"SIZE=1"]); the address is None for a syntax error."""
    before, bracket, path = argument.partition(b"<")
    if bracket:
        terminator = b">"
    else:
        before, colon, path = argument.partition(b":")
        if not colon or not path:
            return None, []
        terminator = b" "
        path = path.lstrip(b" ")
    address, rest = _unquoted(path, terminator)
    if path.startswith(b"@"):  # a source route is dropped up to the first colon, wherever that is; without one nothing
        address = _unquoted(path.partition(b":")[2], terminator)[0]  # is left. It hides no parameter.
    if len(address) > LONGEST:
        return None, []
    return address, [word for word in rest.split(b" ") if word]


def _unquoted(path: bytes, terminator: bytes) -> tuple[bytes, bytes]:
    """The address up to the first unquoted terminator, without its quoting, and what follows it."""
    if b'"' not in path and b"\\" not in path:
        address, _, rest = path.partition(terminator)
        return address, rest
    end = terminator[0]
    kept = bytearray()
    quoted = escaped = False
    for position, byte in enumerate(path):
        if escaped:
            kept.append(byte)
            escaped = False
        elif byte == end and not quoted:
            return bytes(kept), path[position + 1 :]
        elif byte == 0x5C:  # backslash
            escaped = True
        elif byte == 0x22:  # double quote
            quoted = not quoted
        else:
            kept.append(byte)
    return bytes(kept), b""


def split(address: bytes) -> tuple[bytes, bytes | None]:
    """Local part and domain, at the last @; the domain is None if there is no @."""
    local, at, domain = address.rpartition(b"@")
    return (local, domain) if at else (address, None)


def bare(path: bytes) -> bytes:
    """An address without the angle brackets around it, if there are any."""
    return path[1:-1] if path.startswith(b"<") and path.endswith(b">") else path


def is_fit(address: bytes) -> bool:
    """Whether an envelope can have this address: NUL would end it there, LF would end a line in many queues."""
    return len(address) <= LONGEST and b"\0" not in address and b"\n" not in address


def has_route(address: bytes) -> bool:
    """Whether there is a @, % or ! before the last @ (anywhere, if there is none): some mail servers would route the
    message by it."""
    local = split(address)[0]
    return b"@" in local or b"%" in local or b"!" in local


def size_parameter(parameters: list[bytes]) -> int | None:
    """The number of the first SIZE=n parameter (RFC 1870), in bytes; None without one or if it has no digits."""
    for word in parameters:
        name, equals, value = word.partition(b"=")
        if equals and name.upper() == b"SIZE":
            number = leading_number(value, -1)
            return None if number < 0 else number
    return None
