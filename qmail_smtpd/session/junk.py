"""Clients that get nowhere: told 421 and dropped (control/junkcommands).

    junk = Junk(control)            raises ControlError for a file that cannot be read
    junk.enough(event, reply)       count a command and what it was answered; whether it was one too many

A command that leads nowhere is one that is refused or unknown, NOOP, RSET, VRFY and HELP; but not a recipient too many:
its client has a message for those before, and would lose it again each time it comes. So many of them in a row, or
so many unknown ones in a session, are MOST; one that leads somewhere ends the row.

The file has two numbers, `100 20`, 0 for no limit. Without it there is no limit, as in the original; a home that we
make has it. Imported by the first such command of a session.
"""

from __future__ import annotations

from ..smtp import replies
from ..smtp.events import IDLE_COMMANDS, Rcpt, Unknown
from ..smtp.numbers import leading_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.files import ControlFiles
    from ..smtp.events import Event
    from ..smtp.replies import Reply

MOST = (100, 20)


# Recipients beyond MAXRCPTCOUNT, with STRICTREPLIES and without, and beyond control/maxenvelope.
_TOO_MANY = (replies.TOO_MANY_RECIPIENTS.text, replies.ENVELOPE_FULL.text)


def leads_nowhere(event: Event, reply: Reply) -> bool:
    too_many = isinstance(event, Rcpt) and (reply.code == 452 or reply.text in _TOO_MANY)
    return type(event) in IDLE_COMMANDS or (reply.refuses and not too_many)


class Junk:
    """One session's count."""

    def __init__(self, control: ControlFiles) -> None:
        line = control.line("junkcommands")
        words = (b"0 0" if line is None else line).split()
        numbers = [leading_number(word, default) for word, default in zip(words, MOST, strict=False)]
        self._most, self._most_unknown = [*numbers, *MOST[len(numbers) :]][:2]
        self._row = self._unknown = 0

    def enough(self, event: Event, reply: Reply) -> bool:
        self._row = self._row + 1 if leads_nowhere(event, reply) else 0
        self._unknown += isinstance(event, Unknown)
        return bool(self._most and self._row > self._most or self._most_unknown and self._unknown > self._most_unknown)
