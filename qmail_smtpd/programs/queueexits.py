"""What the exit status of a queue program means to the client (SPEC section 6, Results). Pure; raises nothing.

Only a session whose message was not queued imports this.
"""

from __future__ import annotations

from ..smtp.replies import Reply, printable

TEXTS = (82, 88)  # "the error text has the reply"; 88 is used by other families of qmail
LEAST_TEXT = 3  # bytes of the error text, with its first letter

_PERMANENT = Reply(554, b"this message cannot be queued", b"5.3.0")
_TEMPORARY = Reply(451, b"the queue failed", b"4.3.0")
_RESULTS = {
    11: Reply(554, b"envelope address too long for the queue", b"5.1.3"),
    115: Reply(554, b"envelope address too long for the queue", b"5.1.3"),
    31: Reply(554, b"the queue refuses this message", b"5.3.0"),
    51: Reply(451, b"the queue is out of memory", b"4.3.0"),
    52: Reply(451, b"the queue timed out", b"4.3.0"),
    53: Reply(451, b"the queue could not write, its disk may be full", b"4.3.0"),
    54: Reply(451, b"the queue could not read the message", b"4.3.0"),
    55: Reply(451, b"the queue could not read its configuration", b"4.3.0"),
    56: Reply(451, b"the queue has a network problem", b"4.3.0"),
    71: Reply(451, b"the mail server refuses mail for now", b"4.3.0"),
    72: Reply(451, b"the mail server cannot be reached", b"4.4.1"),
    73: Reply(451, b"the mail server cannot be reached", b"4.4.1"),
    74: Reply(451, b"the connection to the mail server broke", b"4.4.2"),
    81: Reply(451, b"the queue has a bug", b"4.3.0"),
    91: Reply(451, b"the queue did not understand the envelope", b"4.3.0"),
    120: Reply(451, b"the queue program cannot be executed", b"4.3.0"),
    **{code: Reply(451, b"the queue cannot use its files", b"4.3.0") for code in range(61, 67)},
}


def refusal(status: int, text: bytes) -> Reply:
    """The reply to the client for a status other than 0, and the program's error text (SPEC section 6, Results)."""
    if status in TEXTS and len(text) >= LEAST_TEXT:
        return Reply(554 if text.startswith(b"D") else 451, printable(text[1:]))
    if status in _RESULTS:
        return _RESULTS[status]
    return _PERMANENT if 11 <= status <= 40 else _TEMPORARY
