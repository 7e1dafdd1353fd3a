"""The state machine of a connection, as data (SPEC section 3; RFC 5321 section 4.1.4).

Theory. A connection is in exactly one state. The state determines how bytes are read (readers.py, message.py) and
which events may come. Each event gets one reply; the event and the outcome of its reply determine the next state.
There are three outcomes: OK (2xx), GO_ON (3xx: more of this exchange follows) and REFUSED (4xx and 5xx).

    IDLE --MAIL ok--> MAIL --RCPT ok--> RCPT --DATA go on--> DATA --end of message--> IDLE

TRANSITIONS lists only what changes the state. An event without an entry for its outcome leaves the state as it is:
that is how a refused MAIL leaves an open transaction open (SPEC section 3). An event in OUT_OF_SEQUENCE never reaches
the session: its reply is given here. AUTH returns to the state in which it was given (RESUME), so authenticating
within a transaction keeps the transaction. STARTTLS leads to TLS, and the end of the handshake, which is no event but
a call of `Protocol.encrypted()`, leads to IDLE. A session that was greeted with 421 or 554 is in RESTRICTED from its
beginning to its end. CLOSED is final.

DATA always ends the transaction: a DATA that is refused although its sequence was right leads to IDLE, and so does any
outcome of the message.
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

# With STRICTREPLIES also what the RFCs forbid and the qmail-ldap family allows: a MAIL within a transaction (RFC 5321
# section 4.1.4), an AUTH within one (RFC 4954 section 4), and an argument of a command that has none (RFC 5321
# section 4.1.1).
WITHOUT_ARGUMENT = (Data, Rset, Quit)
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
