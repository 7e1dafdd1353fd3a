"""Postfix's policy delegation protocol (SPEC section 16; Postfix's SMTPD_POLICY_README).

    request(attributes)                     the bytes of a request
    action_of(answer)                       the Action in an answer; raises BadAnswer
    refusal(action)                         the reply for an action that refuses
    PolicyClient(settings).ask(attributes)  one request, on a connection that is kept open; raises PolicyFailed

If a server closes the connection without an answer, the request is repeated once on a new one. The option `timeout=`
limits the whole request, connecting included.
"""

from __future__ import annotations

from time import monotonic

from ..net.stream import Closed, StreamError, TimedOut, connect
from ..smtp.address import bare, is_fit
from ..smtp.fields import is_name
from ..smtp.replies import Reply, code_of, printable
from .verdicts import LATER, REFUSED, own, worded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..net.stream import Stream
    from .settings import Filter

LONGEST = 1 << 16  # bytes of an answer
DUNNO, OK, REJECT, DEFER = b"DUNNO", b"OK", b"REJECT", b"DEFER"
DEFER_IF_REJECT, DEFER_IF_PERMIT, CODE = b"DEFER_IF_REJECT", b"DEFER_IF_PERMIT", b"CODE"
PREPEND, DISCARD, REDIRECT, HOLD = b"PREPEND", b"DISCARD", b"REDIRECT", b"HOLD"
WARN, INFO, FILTER, BCC = b"WARN", b"INFO", b"FILTER", b"BCC"
KNOWN = frozenset(
    (
        *(DUNNO, OK, REJECT, DEFER, DEFER_IF_REJECT, DEFER_IF_PERMIT),
        *(PREPEND, DISCARD, REDIRECT, HOLD, WARN, INFO, FILTER, BCC),
    )
)
_UNSAFE = bytes(ord("?") if byte < 32 or byte == 127 else byte for byte in range(256))


class PolicyFailed(Exception):
    """There is no usable answer; args[0] says why, as bytes for the log."""


class PolicySlow(PolicyFailed):
    """No answer came in time."""


class BadAnswer(PolicyFailed):
    """The answer violates the protocol."""


class Action:
    """What a server wants done. `verb` is one of KNOWN, or CODE if the action is a reply code; `text` is what follows
    the verb, for CODE the whole reply."""

    __slots__ = ("verb", "text")

    def __init__(self, verb: bytes, text: bytes) -> None:
        self.verb = verb
        self.text = text

    def shown(self) -> bytes:
        """The action as text for the log."""
        return printable(self.text if self.verb == CODE else b"%b %b" % (self.verb, self.text)).rstrip()


def request(attributes: Mapping[bytes, bytes]) -> bytes:
    """Lines `name=value` and an empty line. Control bytes in values become ?, so that a client cannot add lines."""
    lines = [b"%b=%b\n" % (name, value.translate(_UNSAFE)) for name, value in attributes.items()]
    return b"request=smtpd_access_policy\n%b\n" % b"".join(lines)


def action_of(answer: bytes) -> Action:
    """The action in an answer, which is given without its empty line. Raises BadAnswer, also for an unknown action."""
    given = [line for line in answer.split(b"\n") if line.startswith(b"action=")]
    if len(given) != 1:
        raise BadAnswer(b"not exactly one line action= in the answer")
    text = given[0][7:].strip()
    word, _, rest = text.partition(b" ")
    if word[:1].isdigit() and (code_of(text) or word.isdigit()):
        return Action(CODE, text)
    action = Action(word.upper(), rest.strip())
    if action.verb not in KNOWN:
        raise BadAnswer(b"unknown action %b" % printable(text))
    _check_argument(action)
    return action


def _check_argument(action: Action) -> None:
    if action.verb == PREPEND:
        name, colon, _ = action.text.partition(b":")
        if not colon or not is_name(name):
            raise BadAnswer(b"PREPEND without a header field")
    if action.verb == REDIRECT and not (address_of(action) and is_fit(address_of(action))):
        raise BadAnswer(b"REDIRECT without an address")


def field_of(action: Action) -> tuple[bytes, bytes]:
    """Name and value of the header field that PREPEND or HOLD adds."""
    if action.verb == HOLD:
        return b"X-Quarantine", b" %b" % (printable(action.text) or b"held by a policy")
    name, _, value = action.text.partition(b":")
    return name, printable(value)


def address_of(action: Action) -> bytes:
    """The address of REDIRECT, without brackets."""
    return bare(action.text)


def refusal(action: Action) -> Reply:
    """The reply for REJECT and the DEFER actions, with the server's text, and for CODE, which is a reply already."""
    if action.verb == CODE:
        return own(action.text) if code_of(action.text) else LATER
    return _worded(REFUSED if action.verb == REJECT else LATER, action.text)


def _worded(reply: Reply, text: bytes) -> Reply:
    """`text` may begin with an enhanced code of its own."""
    esc = b"" if _is_enhanced(text.partition(b" ")[0]) else reply.esc
    return worded(reply.code, [printable(text) or reply.text], esc)


def _is_enhanced(word: bytes) -> bool:
    digits = word.split(b".")
    return len(digits) == 3 and all(digit.isdigit() for digit in digits)


class PolicyClient:
    """A connection to one policy server, kept open for a session."""

    def __init__(self, settings: Filter) -> None:
        self._settings = settings
        self._stream: Stream | None = None

    def ask(self, attributes: Mapping[bytes, bytes]) -> Action:
        """The server's answer. Raises PolicyFailed."""
        deadline = monotonic() + self._settings.seconds(b"timeout")
        question = request(attributes)
        try:
            answer = self._exchange(question, deadline)
            if answer is None:
                answer = self._exchange(question, deadline)
        except StreamError as trouble:
            self.close()
            raise (PolicySlow if isinstance(trouble, TimedOut) else PolicyFailed)(trouble.args[0]) from trouble
        if answer is None:
            raise PolicyFailed(b"it closed the connection without an answer, twice")
        try:
            return action_of(answer)
        except BadAnswer:
            self.close()  # what else it sends could be taken for the answer to the next request
            raise

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _exchange(self, question: bytes, deadline: float) -> bytes | None:
        """The answer without its empty line; None if the server has closed the connection. Raises StreamError."""
        if self._stream is not None and not self._stream.quiet():
            self.close()  # the server has closed it, or sent something that was not asked for
        if self._stream is None:
            self._stream = connect(self._settings.address, deadline)
        answer = bytearray()
        try:
            self._stream.send(question, deadline)
            while not answer.endswith((b"\n\n", b"\n\r\n")):
                data = self._stream.receive(deadline)
                if not data:
                    raise Closed(b"the connection ended within an answer")
                answer += data
                if len(answer) > LONGEST:
                    raise StreamError(b"an answer of more than %d bytes" % LONGEST)
        except Closed:
            self.close()
            return None
        return bytes(answer)
