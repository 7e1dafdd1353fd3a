"""The decisions of filters as replies, for milters and policy servers (SPEC section 15, Replies).

ACCEPTED and DISCARDED only mark a decision; they are never sent. Texts from a filter are made printable; a code outside
of 400 to 599 becomes 451.
"""

from __future__ import annotations

from ..smtp.replies import MultilineReply, Reply, code_of, printable

MOST_LINES = 32  # of one reply, as in sendmail
ACCEPTED = Reply(250, b"accepted by a filter")
DISCARDED = Reply(250, b"discarded by a filter")
REFUSED = Reply(550, b"refused by a filter", b"5.7.1")
LATER = Reply(451, b"deferred by a filter, try again later", b"4.7.1")
SHUT_DOWN = Reply(421, b"session ended by a filter, try again later", b"4.7.1", hangup=True)
UNAVAILABLE = Reply(451, b"a filter does not work, try again later", b"4.7.1")
UNAVAILABLE_FOR_GOOD = Reply(550, b"a filter does not work, and nothing is accepted without it", b"5.7.1")


def own(text: bytes) -> Reply:
    """A reply in a filter's own words: `550 5.7.1 text`, or several lines, `550-text` CRLF `550 text`."""
    code = code_of(text) or 451
    lines = text.replace(b"\r\n", b"\n").split(b"\n")[:MOST_LINES]
    texts = [printable(_without(code, line)) for line in lines]
    if any(texts):
        return worded(code, texts)
    usual = REFUSED if code >= 500 else LATER
    return worded(code, [usual.text], usual.esc)


def worded(code: int, texts: list[bytes], esc: bytes = b"") -> Reply:
    """A reply with one line for each text. With code 421 the connection ends after it."""
    first, *more = texts
    return MultilineReply(code, first, more, code == 421) if more else Reply(code, first, esc, code == 421)


def greeting(reply: Reply) -> Reply:
    """A refusal in the place of the greeting, where only 421 and 554 are possible."""
    code = 421 if reply.code < 500 else 554
    if isinstance(reply, MultilineReply):
        return MultilineReply(code, reply.text, reply.keywords, reason=reply.reason)
    return Reply(code, reply.text, reply.esc, reason=reply.reason)


def _without(code: int, line: bytes) -> bytes:
    """A line without the code at its beginning."""
    return line[4:] if code_of(line) == code else line
