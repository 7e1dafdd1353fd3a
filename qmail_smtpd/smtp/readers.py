"""Read command lines and AUTH responses: a buffer of input -> one Event, or None if it needs more (SPEC section 3).

No I/O. Readers only split the input; whether a command is allowed is decided elsewhere. message.py reads the message
itself. A command line ends at LF; one CR before it is dropped; a NUL ends the line, what follows it is ignored.
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

LONGEST_LINE = 1 << 20  # bytes; RFC 5321 demands at least 512, the qmail-ldap family has no limit but memory


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
    """Takes lines from a buffer. Remembers how far it has searched, so that slow input costs linear time."""

    __slots__ = ("_looked",)

    def __init__(self) -> None:
        self._looked = 0

    def line(self, buffer: bytearray) -> bytes | None:
        """The next line, without its end and without what follows a NUL; None if it is not complete yet."""
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
        """The event that `make` returns for the next line, a Violation if the line is too long, None if it is not
        complete yet."""
        line = self.line(buffer)
        if line is None:
            return Violation(replies.COMMAND_TOO_LONG) if len(buffer) > LONGEST_LINE else None
        return make(line) if len(line) <= LONGEST_LINE else Violation(replies.COMMAND_TOO_LONG)


def command(line: bytes) -> Event:
    """A command line as an event: the verb ends at the first space, further spaces before the argument are skipped."""
    verb, _, argument = line.partition(b" ")
    make = COMMANDS.get(verb.upper())
    if make:
        return make(argument.lstrip(b" "))
    return OtherProtocol(line) if is_http(verb) else Unknown(line)


def is_http(verb: bytes) -> bool:
    """Whether a line with this first word is an HTTP request or a header field of one. Fields that mail has too do not
    count: a client that was refused at DATA may send its message all the same."""
    return verb.upper() in HTTP_METHODS or (verb.endswith(b":") and verb.lower() in HTTP_FIELDS)


def auth_response(line: bytes) -> Event:
    """A line of the AUTH dialogue as an event."""
    return AuthResponse(line)
