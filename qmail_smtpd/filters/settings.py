"""control/smtpmilters and control/smtppolicies: one `NAME ADDRESS [OPTION=VALUE]...` per line (SPEC sections 15, 16).

A line that is wrong raises ControlError, and the session ends with 421, so that a typing error lets no mail pass
unfiltered.
"""

from __future__ import annotations

from ..control.files import ControlError
from ..net.stream import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..control.files import ListFile
    from ..net.stream import Address

ALL, UNTRUSTED, AUTHENTICATED = b"all", b"untrusted", b"authenticated"
TEMPFAIL, ACCEPT, REJECT = b"tempfail", b"accept", b"reject"
SECONDS = b""  # in a table of options: a number of seconds
MOST_SECONDS = 86400

# Options: the values that each may have, the default first; for a number (SECONDS, DEFAULT).
MILTER_OPTIONS: Mapping[bytes, tuple[bytes, ...]] = {
    b"connect": (SECONDS, b"10"),
    b"timeout": (SECONDS, b"30"),
    b"end": (SECONDS, b"300"),
    b"default": (TEMPFAIL, ACCEPT, REJECT),
    b"for": (ALL, UNTRUSTED, AUTHENTICATED),
    b"quarantine": (b"header", TEMPFAIL, REJECT),
}
POLICY_OPTIONS: Mapping[bytes, tuple[bytes, ...]] = {
    b"at": (b"rcpt", b"data", b"end"),
    b"timeout": (SECONDS, b"100"),
    b"default": (TEMPFAIL, ACCEPT),
    b"for": (ALL, UNTRUSTED, AUTHENTICATED),
}


class Filter:
    """The settings of one filter, from one line. `place` is control/FILE:LINE."""

    def __init__(self, name: str, address: Address, options: dict[bytes, bytes], place: bytes) -> None:
        self.name = name
        self.address = address
        self.place = place
        self._options = options

    def seconds(self, option: bytes) -> int:
        return int(self._options[option])

    def word(self, option: bytes) -> bytes:
        return self._options[option]

    def concerns(self, user: bytes | None, may_relay: bool) -> bool:
        """Whether this filter is asked about a client, by the option for=. `user`: None if not authenticated."""
        audience = self._options[b"for"]
        return audience == ALL or (user is not None if audience == AUTHENTICATED else not may_relay)


def read(listed: ListFile, known: Mapping[bytes, tuple[bytes, ...]]) -> list[Filter]:
    """The filters in file order; `known` are the options that a line may have. Raises ControlError, which has the
    place of the first wrong line."""
    filters: list[Filter] = []
    for line in listed.entries():
        place = listed.line_of(line)
        try:
            one = parse_line(line, known, place)
            if any(one.name == other.name for other in filters):
                raise ValueError(f"an earlier line has the name {one.name} already")
        except ValueError as error:
            raise ControlError(place, str(error).encode()) from None
        filters.append(one)
    return filters


def parse_line(line: bytes, known: Mapping[bytes, tuple[bytes, ...]], place: bytes) -> Filter:
    """The filter in a line. Raises ValueError, which says what is wrong."""
    name, *rest = line.split()
    if not rest:
        raise ValueError("not NAME ADDRESS [OPTION=VALUE]...")
    if not name.isascii() or b"," in name or b"=" in name or not name.decode().isprintable():
        raise ValueError("a name must be printable ASCII without , and =")
    options = {option: values[1] if values[0] == SECONDS else values[0] for option, values in known.items()}
    given: set[bytes] = set()
    for word in rest[1:]:
        option, _, value = word.partition(b"=")
        if option in given:
            raise ValueError(f"{_shown(option)}= is given twice")
        given.add(option)
        options[option] = _checked(option, value, known)
    return Filter(name.decode(), parse(rest[0]), options, place)


def _checked(option: bytes, value: bytes, known: Mapping[bytes, tuple[bytes, ...]]) -> bytes:
    """The value, if the option may have it. Raises ValueError."""
    if option not in known:
        raise ValueError(f"unknown option {_shown(option)}; there are {_shown(b'= '.join(known))}=")
    if known[option][0] == SECONDS:
        if not (value.isdigit() and 0 < int(value) <= MOST_SECONDS):
            raise ValueError(f"{_shown(option)}= must be a number of seconds from 1 to {MOST_SECONDS}")
    elif value not in known[option]:
        raise ValueError(f"{_shown(option)}= must be one of {_shown(b', '.join(known[option]))}")
    return value


def _shown(text: bytes) -> str:
    return text.decode("ascii", "backslashreplace")
