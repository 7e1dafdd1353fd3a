"""How each state reads its bytes: a buffer of input -> one Event, or None for "need more".

No I/O and no opinion: a reader cuts and splits, the session judges (SPEC section 3; the message itself is
cut by message.py). A command line ends at LF; one CR before it goes too; a NUL cuts what follows it.
"""

from __future__ import annotations

from . import address, replies
from .events import (
    Auth,
    AuthResponse,
    Data,
    Event,
    Helo,
    Help,
    Mail,
    Noop,
    OtherProtocol,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unknown,
    Violation,
    Vrfy,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LINE = 1 << 20  # bytes; RFC 5321 asks for 512, the family has no bound, memory has


def _mail(argument: bytes) -> Event:
    return Mail(*address.parse(argument), argument)


def _rcpt(argument: bytes) -> Event:
    return Rcpt(*address.parse(argument), argument)


def _auth(argument: bytes) -> Event:
    mechanism, blank, response = argument.partition(b" ")
    response = response.lstrip(b" ")
    return Auth(mechanism.lower(), response if blank and response else None)


COMMANDS: dict[bytes, Callable[[bytes], Event]] = {
    b"HELO": lambda argument: Helo(argument, False),
    b"EHLO": lambda argument: Helo(argument, True),
    b"MAIL": _mail,
    b"RCPT": _rcpt,
    b"DATA": Data,
    b"RSET": Rset,
    b"NOOP": lambda _: Noop(),
    b"VRFY": lambda _: Vrfy(),
    b"HELP": lambda _: Help(),
    b"QUIT": Quit,
    b"AUTH": _auth,
    b"STARTTLS": StartTls,
}


HTTP_METHODS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE"))
HTTP_FIELDS = frozenset(
    (b"host:", b"accept:", b"accept-encoding:", b"connection:", b"cookie:", b"origin:", b"referer:", b"upgrade:")
)


class LineReader:
    """Takes lines off a buffer; remembers how far it has looked, so that slow input stays linear."""

    __slots__ = ("_looked",)

    def __init__(self) -> None:
        self._looked = 0

    def line(self, buffer: bytearray) -> bytes | None:
        """The next line without its end and without what a NUL cuts off; None if it is not all there."""
        end = buffer.find(b"\n", self._looked)
        if end < 0:
            self._looked = len(buffer)
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        self._looked = 0
        if line.endswith(b"\r"):
            line = line[:-1]
        return line.partition(b"\0")[0]

    def read(self, buffer: bytearray, make: Callable[[bytes], Event]) -> Event | None:
        line = self.line(buffer)
        if line is None:
            return Violation(replies.COMMAND_TOO_LONG) if len(buffer) > LONGEST_LINE else None
        return make(line) if len(line) <= LONGEST_LINE else Violation(replies.COMMAND_TOO_LONG)


def command(line: bytes) -> Event:
    """A command line as an event: verb and argument part at the first space, more spaces are skipped."""
    verb, _, argument = line.partition(b" ")
    make = COMMANDS.get(verb.upper())
    if make:
        return make(argument.lstrip(b" "))
    return OtherProtocol(line) if is_http(verb) else Unknown(line)


def is_http(verb: bytes) -> bool:
    """Whether a line that begins so is a request, or a field of one that mail does not have too (a client that is
    refused at DATA may go on with its message)."""
    return verb.upper() in HTTP_METHODS or (verb.endswith(b":") and verb.lower() in HTTP_FIELDS)


def auth_response(line: bytes) -> Event:
    """A line of the AUTH dialog."""
    return AuthResponse(line)
