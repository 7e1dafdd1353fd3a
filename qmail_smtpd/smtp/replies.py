"""Every reply that the program sends, named once (SPEC sections 3 to 10; RFC 5321 section 4.2, RFC 3463).

A Reply is a code, a text and, where the qmail-ldap family has one, an enhanced code in brackets at the end of the text,
as qmail writes it: `553 text (#5.7.1)`. After a reply with `hangup` the connection ends, with exit status 1. Codes and
enhanced codes are an interface; the texts are ours. Texts from elsewhere (helpers, control files, clients) must go
through `printable`.
"""

from __future__ import annotations

LONGEST = 510  # bytes of one reply line without CRLF, RFC 5321 section 4.5.3.1.5

_AFTER_CODE = (b"", b" ", b"-", b"\t", b"\r", b"\n")
_BLANKS = b" " * 32 + bytes(range(32, 127)) + b" " + bytes(range(128, 256))


def printable(text: bytes) -> bytes:
    """Text from elsewhere made fit for one reply line: control bytes become blanks."""
    return text.translate(_BLANKS)


def code_of(text: bytes) -> int | None:
    """The code that a reply of another program begins with, if it is a refusal: 400 to 599, followed by nothing, a
    blank or a hyphen. None otherwise, also for a reply that was cut short."""
    code = text[:3]
    if len(code) == 3 and code.isdigit() and code[:1] in (b"4", b"5") and text[3:4] in _AFTER_CODE:
        return int(code)
    return None


class Reply:
    """One SMTP reply; must not be changed once made. `reason` is for the log, not for the client: the line of the
    configuration that decided, `control/FILE:LINE`."""

    __slots__ = ("code", "text", "esc", "hangup", "reason")

    def __init__(self, code: int, text: bytes, esc: bytes = b"", hangup: bool = False, reason: bytes = b"") -> None:
        self.code = code
        self.text = text
        self.esc = esc
        self.hangup = hangup
        self.reason = reason

    def with_reason(self, reason: bytes) -> Reply:
        """The same reply, with its reason."""
        return Reply(self.code, self.text, self.esc, self.hangup, reason)

    @property
    def refuses(self) -> bool:
        return self.code >= 400

    def line(self) -> bytes:
        """Code, text (cut so that LONGEST holds) and enhanced code, without a line end."""
        tail = b" (#%b)" % self.esc if self.esc else b""
        room = LONGEST - 4 - len(tail)
        return b"%d %b%b" % (self.code, self.text[:room], tail)

    def encode(self) -> bytes:
        """The bytes for the wire."""
        return self.line() + b"\r\n"

    def __repr__(self) -> str:
        return self.line().decode("latin1")


class MultilineReply(Reply):
    """A reply of several lines (EHLO, HELP): the text, then one line for each keyword."""

    __slots__ = ("keywords",)

    def __init__(
        self, code: int, text: bytes, keywords: list[bytes], hangup: bool = False, reason: bytes = b""
    ) -> None:
        super().__init__(code, text, hangup=hangup, reason=reason)
        self.keywords = keywords

    def with_reason(self, reason: bytes) -> Reply:
        return MultilineReply(self.code, self.text, self.keywords, self.hangup, reason)

    def encode(self) -> bytes:
        lines = [line[: LONGEST - 4] for line in (self.text, *self.keywords)]
        last = lines.pop()
        return b"".join(b"%d-%b\r\n" % (self.code, line) for line in lines) + b"%d %b\r\n" % (self.code, last)


# Session
QUIT = Reply(221, b"closing connection, good bye")
FLUSHED = Reply(250, b"transaction forgotten")
NOTHING_DONE = Reply(250, b"ok, nothing done")
CANNOT_VERIFY = Reply(252, b"addresses are not verified here, send mail and delivery is tried")
HELP = MultilineReply(214, b"qmail-smtpd, written in Python", [b"the commands are those of RFC 5321"])
UNKNOWN_COMMAND = Reply(502, b"unknown command", b"5.5.1")
NO_SUCH_PROTOCOL = Reply(421, b"this is an SMTP server, and you speak another protocol", b"4.7.0", hangup=True)
ENOUGH_JUNK = Reply(421, b"too many useless commands", b"4.7.0", hangup=True)
COMMAND_TOO_LONG = Reply(500, b"command line too long", b"5.5.2", hangup=True)
TIMEOUT = Reply(451, b"timeout, nothing was received", b"4.4.2", hangup=True)
SESSION_TOO_LONG = Reply(421, b"time limit of a session exceeded, connect again later", b"4.4.2", hangup=True)
CONTROLS_UNREADABLE = Reply(421, b"cannot read my configuration, try again later", b"4.3.0", hangup=True)
INTERNAL_ERROR = Reply(421, b"internal error, try again later", b"4.3.0", hangup=True)
TOO_MANY_CONNECTIONS = Reply(421, b"too many connections from your address", b"4.7.0", hangup=True)

# Greeting
NOT_NOW = Reply(421, b"no service for you at the moment", b"4.3.2")
NO_SERVICE = Reply(554, b"no service for you here", b"5.7.1")
RESTRICTED = Reply(503, b"you were refused, only QUIT is accepted", b"5.5.1")
TALKED_TOO_SOON = Reply(554, b"you spoke before my greeting", hangup=True)

# Sequence
NO_MAIL_YET = Reply(503, b"MAIL comes first", b"5.5.1")
NO_RCPT_YET = Reply(503, b"RCPT comes first", b"5.5.1")

MAIL_IN_TRANSACTION = Reply(503, b"a transaction is open, RSET ends it", b"5.5.1")
TAKES_NO_ARGUMENT = Reply(501, b"this command takes no argument", b"5.5.4")
AUTH_IN_TRANSACTION = Reply(503, b"no authentication inside a transaction", b"5.5.1")

# MAIL
SENDER_OK = Reply(250, b"sender ok")
BAD_ADDRESS = Reply(555, b"syntax error in the address", b"5.5.4")
AUTHENTICATE_FIRST = Reply(530, b"authenticate first")
TOO_BIG = Reply(552, b"message is larger than this host accepts", b"5.3.4")
BAD_SENDER = Reply(553, b"mail from this sender is not accepted here", b"5.7.1")
BAD_SENDER_UNKNOWN_HOST = Reply(553, b"mail from this sender needs a client with a host name", b"5.7.1")
NO_BOUNCES = Reply(554, b"bounces are not accepted here", b"5.7.1")
SENDER_WITHOUT_AT = Reply(554, b"sender address has no domain", b"5.1.7")
SENDER_WITHOUT_USER = Reply(554, b"sender address has no user", b"5.1.7")
SENDER_WITHOUT_DOT = Reply(554, b"sender's domain has no dot", b"5.1.7")
SENDER_NOT_OURS = Reply(554, b"only senders in the domains of this host may send here", b"5.7.1")
SENDER_CANNOT_GET_REPLIES = Reply(554, b"sender's domain has no mail server in the DNS", b"5.1.8")
DNS_TROUBLE = Reply(421, b"cannot look up the sender's domain now", b"4.3.0")

# RCPT
RECIPIENT_OK = Reply(250, b"recipient ok")
EMPTY_RECIPIENT = Reply(553, b"the recipient address is empty", b"5.1.3")
RELAY_PROBE = Reply(553, b"no routing by @, % or ! in an address here", b"5.7.1")
BAD_RECIPIENT = Reply(553, b"mail to this recipient is not accepted here", b"5.7.1")
NOT_A_GATEWAY = Reply(553, b"that domain is not among my rcpthosts", b"5.7.1")
ENVELOPE_FULL = Reply(452, b"too many recipients for one message, send the rest in another", b"4.5.3")
TOO_MANY_RECIPIENTS = Reply(553, b"too many recipients", b"5.7.1")
BOUNCE_TO_MANY = Reply(550, b"a bounce must have a single recipient", b"5.7.1")
NO_SUCH_MAILBOX = Reply(554, b"no such mailbox", b"5.1.1")
VERIFY_TROUBLE = Reply(451, b"cannot verify this address now", b"4.3.0")
CHECKER_TROUBLE = Reply(451, b"a check failed to work, try again later", b"4.3.0")

# DATA
GO_AHEAD = Reply(354, b"go ahead, end with a dot")
QUEUE_NOT_STARTED = Reply(451, b"cannot start the queue", b"4.3.0")
BARE_NEWLINE = Reply(451, b"a line ended in LF without CR, see RFC 5321 section 2.3.8", hangup=True)
HEADER_TOO_LONG = Reply(500, b"a header line is too long", b"5.6.0", hangup=True)
HEADER_TOO_LARGE = Reply(552, b"the header is larger than this host accepts", b"5.3.4")
TOO_MANY_HOPS = Reply(554, b"too many hops, this message is looping", b"5.4.6")
EXECUTABLE = Reply(552, b"attachments of this kind are not accepted here", b"5.3.4")
TOO_SLOW = Reply(421, b"the message was sent too slowly", b"4.4.2", hangup=True)

# AUTH (RFC 4954)
NO_AUTH = Reply(502, b"authentication is not offered here", b"5.5.1")
ALREADY_AUTHENTICATED = Reply(503, b"already authenticated")
AUTH_NEEDS_TLS = Reply(538, b"authentication needs STARTTLS first")
UNKNOWN_MECHANISM = Reply(504, b"unknown authentication mechanism")
ASK_USERNAME = Reply(334, b"VXNlcm5hbWU6")
ASK_PASSWORD = Reply(334, b"UGFzc3dvcmQ6")
ASK_RESPONSE = Reply(334, b"")
AUTHENTICATED = Reply(235, b"authenticated, go ahead")
AUTH_FAILED = Reply(535, b"authentication failed")
AUTH_MALFORMED = Reply(501, b"malformed authentication response", b"4.3.0")
AUTH_ABORTED = Reply(501, b"authentication abandoned", b"4.3.0")
AUTH_TROUBLE = Reply(454, b"authentication is temporarily unavailable", b"4.3.0")

# STARTTLS (RFC 3207)
NO_TLS = Reply(502, b"TLS is not offered here", b"5.5.1")
TLS_TAKES_NO_ARGUMENT = Reply(501, b"STARTTLS takes no argument", b"5.5.4")
TLS_ALREADY = Reply(503, b"the connection is encrypted already", b"5.5.1")
TLS_READY = Reply(220, b"ready for the handshake")
TLS_TROUBLE = Reply(454, b"TLS is temporarily unavailable", b"4.3.0")


def greeting(me: bytes, text: bytes, cookie: bytes) -> Reply:
    """`220 ME ESMTP TEXT [COOKIE]`; GREETDELAY sends everything up to `ESMTP ` slowly."""
    return Reply(220, b"%b ESMTP %b%b" % (me, text, b" " + cookie if cookie else b""))


def hello(me: bytes, text: bytes) -> Reply:
    """The answer to HELO."""
    return Reply(250, b"%b %b" % (me, text) if text else me)


def queued(now: int, pid: int, me: bytes) -> Reply:
    """The message is queued. `now` (seconds since the epoch) and `pid` stay in this form: log parsers read it."""
    return Reply(250, b"ok %d qp %d by %b" % (now, pid, me))
