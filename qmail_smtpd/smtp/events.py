"""What a client can send: one plain class for each kind of event that the protocol hands to the session.

`verb` is the command as the log shows it. Names are those of RFC 5321, 4954 and 3207.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .replies import Reply


class Event:
    """The base class; commands whose argument does not matter add nothing to it. `address`: of MAIL and RCPT only."""

    __slots__ = ()
    verb = b""
    address: bytes | None = None


class Connect(Event):
    """A client has connected. Used in refusals of the connection itself; the protocol never returns it."""

    __slots__ = ()
    verb = b"connection"


class Helo(Event):
    """HELO or EHLO. `extended` tells which."""

    __slots__ = ("name", "extended")

    def __init__(self, name: bytes, extended: bool) -> None:
        self.name = name
        self.extended = extended

    @property
    def verb(self) -> bytes:  # type: ignore[override]
        return b"EHLO" if self.extended else b"HELO"


class _WithAddress(Event):
    """`address` is None where the path could not be parsed; `parameters` are the words after the path; `argument` is
    all of it as it came."""

    __slots__ = ("address", "parameters", "argument")

    def __init__(self, address: bytes | None, parameters: list[bytes], argument: bytes = b"") -> None:
        self.address = address
        self.parameters = parameters
        self.argument = argument


class Mail(_WithAddress):
    """MAIL FROM. An empty address is that of a bounce."""

    __slots__ = ()
    verb = b"MAIL"


class Rcpt(_WithAddress):
    """RCPT TO."""

    __slots__ = ()
    verb = b"RCPT"


class _WithoutArgument(Event):
    """A command that takes no argument; `argument` is what the client sent there all the same."""

    __slots__ = ("argument",)

    def __init__(self, argument: bytes = b"") -> None:
        self.argument = argument


class Data(_WithoutArgument):
    __slots__ = ()
    verb = b"DATA"


class Rset(_WithoutArgument):
    __slots__ = ()
    verb = b"RSET"


class Noop(Event):
    __slots__ = ()
    verb = b"NOOP"


class Vrfy(Event):
    __slots__ = ()
    verb = b"VRFY"


class Help(Event):
    __slots__ = ()
    verb = b"HELP"


JUNK_COMMANDS = (Noop, Rset, Vrfy, Help)  # they bring no message nearer: see session/junk.py


class Quit(_WithoutArgument):
    __slots__ = ()
    verb = b"QUIT"


class StartTls(_WithoutArgument):
    __slots__ = ()
    verb = b"STARTTLS"


class Auth(Event):
    """AUTH MECHANISM [INITIAL-RESPONSE]; the mechanism in lower case, the response None if there is none."""

    __slots__ = ("mechanism", "response")
    verb = b"AUTH"

    def __init__(self, mechanism: bytes, response: bytes | None) -> None:
        self.mechanism = mechanism
        self.response = response


class AuthResponse(Event):
    """The client's answer to an AUTH prompt, still in base64. Never logged."""

    __slots__ = ("line",)
    verb = b"(response)"

    def __init__(self, line: bytes) -> None:
        self.line = line


class Unknown(Event):
    """Any other verb. `line` must not be logged: a client that goes on after a refused AUTH sends its password here."""

    __slots__ = ("line",)
    verb = b"(unknown)"

    def __init__(self, line: bytes) -> None:
        self.line = line


class OtherProtocol(Unknown):
    """A line of an HTTP request: a browser or web server was made to send SMTP commands within a request."""

    __slots__ = ()
    verb = b"(http)"


class MessageBlock(Event):
    """A piece of the message as it will be stored: LF line ends, dots unstuffed. `header`: it is part of the message
    header; a block never holds parts of header and body, and blocks of the header are whole lines."""

    __slots__ = ("block", "header")

    def __init__(self, block: bytes, header: bool) -> None:
        self.block = block
        self.header = header


class EndOfMessage(Event):
    """CRLF . CRLF has come. `hops` is how many Received and Delivered fields the message has, `size` its bytes as
    stored."""

    __slots__ = ("hops", "size")
    verb = b"(end of message)"

    def __init__(self, hops: int, size: int) -> None:
        self.hops = hops
        self.size = size


class Violation(Event):
    """The client broke the protocol so that the session cannot go on: it gets `reply` and the connection ends."""

    __slots__ = ("reply",)
    verb = b"(violation)"

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
