"""Limits on useless commands: a client that sends too many gets 421 and is dropped (control/junkcommands).

    junk = Junk(control)            raises ControlError for a file that cannot be read
    junk.enough(event, reply)       count a command and its reply; True if a limit is exceeded

Useless are commands that are refused or unknown, and NOOP, RSET, VRFY and HELP. A recipient beyond the allowed number
is not: its client still has a message for the recipients before, and would lose it at every attempt. There are two
limits: on useless commands in a row, and on unknown commands in a session.

The file has these two numbers, such as `100 20`; 0 is no limit, and a number that is missing is that of MOST. Without
the file there is no limit, as in the original; new homes have it. Imported by the first useless command of a session.
"""

from __future__ import annotations

from ..smtp import replies
from ..smtp.events import JUNK_COMMANDS, Rcpt, Unknown
from ..smtp.numbers import leading_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.files import ControlFiles
    from ..smtp.events import Event
    from ..smtp.replies import Reply

MOST = (100, 20)  # the limits where the file does not give a number

# The replies to recipients beyond MAXRCPTCOUNT and beyond control/maxenvelope. With STRICTREPLIES both are 452.
_TOO_MANY = (replies.TOO_MANY_RECIPIENTS.text, replies.ENVELOPE_FULL.text)


def is_useless(event: Event, reply: Reply) -> bool:
    """Whether a command with this reply brings no message nearer."""
    too_many = isinstance(event, Rcpt) and (reply.code == 452 or reply.text in _TOO_MANY)
    return type(event) in JUNK_COMMANDS or (reply.refuses and not too_many)


class Junk:
    """The counters of one session. Raises ControlError."""

    def __init__(self, control: ControlFiles) -> None:
        line = control.line("junkcommands")
        words = (b"0 0" if line is None else line).split()
        numbers = [leading_number(word, default) for word, default in zip(words, MOST, strict=False)]
        self._most, self._most_unknown = [*numbers, *MOST[len(numbers) :]][:2]
        self._row = self._unknown = 0

    def enough(self, event: Event, reply: Reply) -> bool:
        self._row = self._row + 1 if is_useless(event, reply) else 0
        self._unknown += isinstance(event, Unknown)
        return bool(self._most and self._row > self._most or self._most_unknown and self._unknown > self._most_unknown)
