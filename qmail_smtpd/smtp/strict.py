"""STRICTREPLIES: the codes of RFC 5321 where those of the qmail-ldap family differ (SPEC section 20). Pure; raises
nothing. docs/strictreplies.md lists the differences; a test compares it with the program.

    strictly(reply)                     the reply to send instead
    is_path(argument, b"FROM:")         whether the argument of MAIL or RCPT begins with a path in angle brackets
    objection(parameters, KNOWN)        the refusal of the parameters behind the path, or None

state.py refuses what comes out of sequence, checkers/strictreplies.py the rest. Imported only with STRICTREPLIES.
"""

from __future__ import annotations

from . import replies
from .replies import Reply

SYNTAX = Reply(501, b"syntax error in the argument", b"5.5.4")
NO_NAME = Reply(501, b"the name of your host is missing", b"5.5.4")
UNKNOWN_PARAMETER = Reply(555, b"parameter not known here", b"5.5.4")
WRONG_VALUE = Reply(555, b"parameter has no such value", b"5.5.4")
NO_DOMAIN = Reply(553, b"recipient address has no domain", b"5.1.3")
BARE_CR = Reply(550, b"the message has a CR without LF, see RFC 5321 section 2.3.8", b"5.6.11")

# The replies of the qmail-ldap family, and those that are sent instead.
REPLIES = (
    (replies.BAD_ADDRESS, SYNTAX),
    (replies.TOO_MANY_RECIPIENTS, Reply(452, b"too many recipients, send the others later", b"4.5.3")),
    (replies.DNS_TROUBLE, Reply(451, b"cannot look up the sender's domain now", b"4.4.3")),
    (
        replies.BARE_NEWLINE,
        Reply(550, b"a line ended in LF without CR, see RFC 5321 section 2.3.8", b"5.6.11", hangup=True),
    ),
    (replies.TIMEOUT, Reply(421, b"timeout, nothing was received", b"4.4.2", hangup=True)),
    (replies.AUTH_MALFORMED, Reply(501, b"malformed authentication response", b"5.5.2")),
    (replies.AUTH_ABORTED, Reply(501, b"authentication abandoned", b"5.7.0")),
)
_INSTEAD = {(old.code, old.text): new for old, new in REPLIES}

# The parameters that are known, and the values that each may have; None for any.
MAIL_PARAMETERS: dict[bytes, tuple[bytes, ...] | None] = {b"SIZE": None, b"BODY": (b"7BIT", b"8BITMIME")}
RCPT_PARAMETERS: dict[bytes, tuple[bytes, ...] | None] = {}
LONGEST_SIZE = 20  # digits (RFC 1870 section 3)


def strictly(reply: Reply) -> Reply:
    """The reply to send with STRICTREPLIES; `reply` itself where RFC 5321 agrees with it."""
    instead = _INSTEAD.get((reply.code, reply.text))
    return reply if instead is None else instead.with_reason(reply.reason)


def is_path(argument: bytes, keyword: bytes) -> bool:
    """Whether it is `FROM:<...>`, with blanks allowed behind the colon, and only parameters behind the bracket."""
    if argument[: len(keyword)].upper() != keyword:
        return False
    path = argument[len(keyword) :].lstrip(b" ")
    end = _end(path) if path.startswith(b"<") else -1
    return end > 0 and path[end + 1 : end + 2] in (b"", b" ")


def _end(path: bytes) -> int:
    """Where the closing bracket is, -1 without one. A quoted bracket does not count."""
    quoted = escaped = False
    for position, byte in enumerate(path):
        if escaped:
            escaped = False
        elif byte == 0x5C:  # backslash
            escaped = True
        elif byte == 0x22:  # double quote
            quoted = not quoted
        elif byte == 0x3E and not quoted:  # >
            return position
    return -1


def objection(parameters: list[bytes], known: dict[bytes, tuple[bytes, ...] | None]) -> Reply | None:
    """The refusal of the first parameter that is unknown, repeated, empty or of a wrong value; None if all are fine."""
    seen = set()
    for parameter in parameters:
        name, equals, value = parameter.partition(b"=")
        name = name.upper()
        if name not in known:
            return UNKNOWN_PARAMETER
        if name in seen or not (equals and value):
            return SYNTAX
        if not _may_be(name, value, known[name]):
            return WRONG_VALUE
        seen.add(name)
    return None


def _may_be(name: bytes, value: bytes, values: tuple[bytes, ...] | None) -> bool:
    if name == b"SIZE":
        return value.isdigit() and len(value) <= LONGEST_SIZE
    return values is None or value.upper() in values
