"""The state machine as data.

Theory. A connection is in exactly one state, and the state says two things: how bytes are read (readers.py)
and which events may come. Each event gets one reply; the pair (event, outcome) moves the state. There are
three outcomes: OK (2xx), GO_ON (3xx: more of this exchange follows) and REFUSED (4xx and 5xx).

    IDLE --MAIL ok--> MAIL --RCPT ok--> RCPT --DATA go on--> DATA --end of message--> IDLE

Only what moves stands in the table. An event without a row for its outcome leaves the state as it is; that
is how a refused MAIL leaves an open transaction open (SPEC section 3). An event of OUT_OF_SEQUENCE never
reaches the session: it has its reply here. AUTH is a side street: it returns to the state it came from
(RESUME), so authenticating in mid-transaction keeps the transaction. TLS is entered by STARTTLS and left by
the handshake, whose end is no event but `Protocol.encrypted()`. RESTRICTED is the whole life of a session
that was greeted with 421 or 554. CLOSED is final.

DATA ends the transaction whatever becomes of it: a DATA that is refused past the sequence checks, and any
outcome of the message, lead to IDLE.
"""

from __future__ import annotations

from . import replies
from .events import Auth, AuthResponse, Data, EndOfMessage, Helo, Mail, Quit, Rcpt, Rset, StartTls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Event
    from .replies import Reply

IDLE, MAIL, RCPT, DATA, AUTH, TLS, RESTRICTED, CLOSED = (
    "IDLE",
    "MAIL",
    "RCPT",
    "DATA",
    "AUTH",
    "TLS",
    "RESTRICTED",
    "CLOSED",
)
RESUME = "RESUME"  # not a state: back to where AUTH was given

OK, GO_ON, REFUSED = "OK", "GO_ON", "REFUSED"

_ANYWHERE: dict[type[Event], dict[str, str]] = {
    Helo: {OK: IDLE},
    Rset: {OK: IDLE},
    Mail: {OK: MAIL},
    Auth: {GO_ON: AUTH},
    StartTls: {OK: TLS},
    Quit: {OK: CLOSED},
}

TRANSITIONS: dict[str, dict[type[Event], dict[str, str]]] = {
    IDLE: _ANYWHERE,
    MAIL: {**_ANYWHERE, Rcpt: {OK: RCPT}},
    RCPT: {**_ANYWHERE, Data: {GO_ON: DATA, REFUSED: IDLE}},
    DATA: {EndOfMessage: {OK: IDLE, REFUSED: IDLE}},
    AUTH: {AuthResponse: {GO_ON: AUTH, OK: RESUME, REFUSED: RESUME}},
    TLS: {},
    RESTRICTED: {Quit: {OK: CLOSED}},
    CLOSED: {},
}

# With STRICTREPLIES also what RFC 5321 section 4.1.4 and RFC 4954 section 4 forbid: there is one transaction at a time,
# and who is behind it is known before it begins.
# What stands alone stands alone (section 4.1.1).
ALONE = (Data, Rset, Quit)
_IN_TRANSACTION: dict[type[Event], Reply] = {Mail: replies.MAIL_IN_TRANSACTION, Auth: replies.AUTH_IN_TRANSACTION}
STRICTLY_OUT_OF_SEQUENCE: dict[str, dict[type[Event], Reply]] = {MAIL: _IN_TRANSACTION, RCPT: _IN_TRANSACTION}

OUT_OF_SEQUENCE: dict[str, dict[type[Event], Reply]] = {
    IDLE: {Rcpt: replies.NO_MAIL_YET, Data: replies.NO_MAIL_YET},
    MAIL: {Data: replies.NO_RCPT_YET},
}


def outcome(reply: Reply) -> str:
    """Which of the three outcomes a reply is."""
    return OK if reply.code < 300 else GO_ON if reply.code < 400 else REFUSED


def after(state: str, event: Event, reply: Reply) -> str:
    """The state (or RESUME) that `reply` to `event` leads to."""
    if reply.hangup:
        return CLOSED
    return TRANSITIONS[state].get(type(event), {}).get(outcome(reply), state)
