"""AUTH LOGIN and PLAIN (SPEC section 8; RFC 4954, RFC 4616): the exchange with the client and with bin/auth_smtp.

Imported when the first AUTH arrives. The helper bin/auth_smtp is started before the first prompt and decides. Passwords
are never logged; a user name is, where it is certain to be one (`claimed_user`). After a failure the client waits
PAUSE_BEFORE seconds for the reply and PAUSE_AFTER seconds more before its next command is read.
"""

from __future__ import annotations

from time import monotonic

from ..control.secrets import no_core
from ..logs import log
from ..programs.helper import TIMEOUT, Helper, HelperFailed
from ..smtp import replies
from ..smtp.base64 import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..smtp.events import Auth
    from ..smtp.replies import Reply
    from .chain import Chain
    from .facts import Session

PROGRAM = b"bin/auth_smtp"
PAUSE_BEFORE, PAUSE_AFTER = 1.0, 4.0  # seconds around the reply to a failure
_PROMPTS = {b"login": (replies.ASK_USERNAME, replies.ASK_PASSWORD), b"plain": (replies.ASK_RESPONSE,)}


def begin(session: Session, chain: Chain, event: Auth) -> tuple[Dialog | None, Reply]:
    """The reply to AUTH: a prompt, a refusal, or the result if the initial response is complete. The dialogue is None
    after a refusal."""
    refusal = objection(session, chain, event)
    if refusal is not None:
        return None, refusal
    dialog = Dialog(session, chain, event)
    return dialog, dialog.prompt() if event.response is None else dialog.respond(event.response)


def objection(session: Session, chain: Chain, event: Auth) -> Reply | None:
    """The refusal of AUTH before any prompt, None if the session may authenticate with this mechanism."""
    if not session.config.switch("SMTPAUTH"):
        return replies.NO_AUTH
    if session.user is not None:
        return session.refuse(event, replies.ALREADY_AUTHENTICATED)
    if session.auth_needs_tls():
        return session.refuse(event, replies.AUTH_NEEDS_TLS)
    if event.mechanism not in _PROMPTS:
        return session.refuse(event, replies.UNKNOWN_MECHANISM)
    verdict = chain.run("auth", session, event)
    return session.refuse(event, verdict.refusal, verdict) if verdict.refusal else None


def succeeded(session: Session, chain: Chain, event: Auth, user: bytes) -> Reply:
    """The helper has accepted this user. Checks may still refuse; otherwise the session is authenticated."""
    session.user = (session.config.value("AUTHPREPEND") or b"") + user
    verdict = chain.run("authenticated", session, event)
    if verdict.refusal:
        session.user = None
        return session.refuse(event, verdict.refusal, verdict)
    session.log.authenticated(session.client.ip, session.user)
    return replies.AUTHENTICATED


def claimed_user(mechanism: bytes, response: bytes) -> bytes:
    """The user name in the first response, for the log; b"" if there is none.

    That is the whole response of LOGIN, the second field of PLAIN. A response that does not match the mechanism's
    grammar exactly gives none: it could have the password in the place of the name."""
    text = decoded(response) or b""
    if mechanism == b"login":
        return b"" if b"\0" in text else text[:255]
    fields = text.split(b"\0")
    if len(fields) == 3 and fields[2] and fields[0] in (b"", fields[1]):
        return fields[1][:255]
    return b""


def is_no_name(line: bytes) -> bool:
    """Whether the first response of LOGIN is no base64 (RFC 4954 section 4). `=` and responses with blanks are left to
    the helper, as recorded from the original."""
    return decoded(line) is None and line != b"=" and b" " not in line


class Dialog:
    """One AUTH exchange with the client."""

    def __init__(self, session: Session, chain: Chain, event: Auth) -> None:
        self._session = session
        self._chain = chain
        self._event = event
        self._said: list[bytes] = []  # the client's responses, in base64
        self._claimed = b""  # the user name that the client gave, for the log
        no_core()
        self._helper = Helper(PROGRAM, session.children_env())

    def prompt(self) -> Reply:
        return _PROMPTS[self._event.mechanism][len(self._said)]

    def respond(self, line: bytes) -> Reply:
        """The reply to a response of the client: the next prompt or the result."""
        if line == b"*":
            self.close()
            return self._failed(replies.AUTH_ABORTED)
        if not self._said:
            if self._event.mechanism == b"login" and is_no_name(line):
                self.close()
                return self._failed(replies.AUTH_MALFORMED)
            self._claimed = claimed_user(self._event.mechanism, line)
        self._said.append(line)
        if len(self._said) < len(_PROMPTS[self._event.mechanism]):
            return self.prompt()
        try:
            answer = self._ask()
        except HelperFailed as trouble:
            self._session.log.write(log.FATAL, b"authentication: ", trouble.args[0])
            return self._failed(replies.AUTH_TROUBLE)
        if answer.startswith(b"K"):
            return succeeded(self._session, self._chain, self._event, answer[1:].partition(b"\0")[0])
        return self._failed(replies.AUTH_MALFORMED if answer.startswith(b"Z") else replies.AUTH_FAILED)

    def close(self) -> None:
        """End the helper: the client has left, or aborted the exchange."""
        self._helper.close()

    def _ask(self) -> bytes:
        """Pass the responses to the helper; its answer, once it has exited 0. Raises HelperFailed."""
        deadline = monotonic() + TIMEOUT
        self._session.flush()  # a prompt that is still in our buffer goes out before we wait
        self._helper.write(b"".join(b"%b\0" % part for part in (self._event.mechanism, *self._said)), deadline)
        self._said.clear()
        answer = b""
        while block := self._helper.read(deadline):
            answer = (answer + block)[:4096]
        status = self._helper.wait(deadline)
        if status != 0:
            raise HelperFailed(b"%b exited %d" % (PROGRAM, status))
        if answer[:1] not in (b"K", b"D", b"Z"):
            raise HelperFailed(PROGRAM + b" gave no answer")
        return answer

    def _failed(self, reply: Reply) -> Reply:
        session = self._session
        session.pause(PAUSE_BEFORE)
        session.pause_after = PAUSE_AFTER
        session.log.not_authenticated(session.client.ip, self._claimed, reply)
        return session.refuse(self._event, reply)
