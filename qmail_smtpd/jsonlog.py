"""LOGFORMAT=json: one JSON object a line, for programs that read logs.

    {"event": "message", ...}   when a message was queued or was not: who, to whom, how large, how long it took
    {"event": "session", ...}   when a connection ends: who, what was refused outside a message, how it ended
    {"event": "auth", ...}      each authentication, successful or not
    {"event": "log", ...}       every other line that LOGLEVEL asks for

The first three come whatever LOGLEVEL says and replace the accounting lines of the classic format. Every object has
`time` (seconds since the epoch), `session` (unique) and, once they are known, `ip` and `host`. Bytes that are not
UTF-8 are written \\xNN. Lists are cut at MOST entries, counts go on.
"""

from __future__ import annotations

from _json import encode_basestring_ascii as quoted  # json itself brings in `re`
from time import monotonic, time, time_ns

from .log import ACCOUNT, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Event
    from .replies import Reply
    from .session import Session, Transaction

    Value = str | bytes | int | float | bool | list["Value"] | dict[str, "Value"] | None

MOST = 100


def encode(value: Value) -> str:
    """A value as JSON text."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, bytes):
        return quoted(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(encode(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{quoted(name)}: {encode(item)}' for name, item in value.items())}}}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


class JsonLog(Log):
    """See the module's text."""

    def __init__(self, program: bytes, level: int, syslog: bool = False) -> None:
        super().__init__(program, level, syslog)
        self._id = f"{time_ns():x}.{self.pid}"
        self._began = monotonic()
        self._client: dict[str, Value] = {}
        self._mail_began = self._began
        self._refused: list[Value] = []  # since the last MAIL that was accepted
        self._count = {"messages": 0, "accepted": 0, "refused": 0}

    def write(self, level: int, *parts: bytes) -> None:
        if level != ACCOUNT:
            super().write(level, *parts)

    def line(self, *parts: bytes) -> None:
        self._tell("log", {"text": b"".join(parts)})

    def connected(self, session: Session) -> None:
        self._client = {"ip": session.client.ip, "host": session.client.host}

    def sender(self, session: Session, address: bytes) -> None:
        self._mail_began = monotonic()
        self._refused = []

    def recipient(self, session: Session, address: bytes) -> None:
        pass  # told with the message

    def refused(self, session: Session, event: Event, reply: Reply) -> None:
        self._count["refused"] += 1
        if len(self._refused) < MOST:
            refusal: dict[str, Value] = {"command": event.verb, "reply": reply.line()}
            if isinstance(address := getattr(event, "address", None), bytes):
                refusal["address"] = address
            if session.refused_by:
                refusal["check"] = session.refused_by
            if session.because:
                refusal["because"] = session.because
            self._refused.append(refusal)

    def authenticated(self, session: Session, user: bytes) -> None:
        self._tell("auth", {"success": True, "user": user})

    def not_authenticated(self, session: Session, user: bytes, reply: Reply) -> None:
        self._tell("auth", {"success": False, "user": user, "reply": reply.line()})

    def queued(self, session: Session, transaction: Transaction, now: int, pid: int, size: int) -> None:
        self._count["accepted"] += 1
        self._message(session, transaction, size, {"queued": True, "qp": pid})

    def not_queued(self, session: Session, transaction: Transaction, reply: Reply, size: int, status: int) -> None:
        self._message(session, transaction, size, {"queued": False, "exit": status, "reply": reply.line()})

    def objected(self, session: Session, transaction: Transaction, reply: Reply, size: int) -> None:
        self._message(session, transaction, size, {"queued": False, "reply": reply.line()})

    def ended(self, session: Session, how: bytes) -> None:
        seconds = monotonic() - self._began
        facts = self._who(session)
        self._tell("session", {**facts, **self._count, "refusals": self._refused, "end": how, "seconds": seconds})

    def _message(self, session: Session, transaction: Transaction, size: int, result: dict[str, Value]) -> None:
        self._count["messages"] += 1
        recipients: list[Value] = list(transaction.recipients[:MOST])
        self._tell(
            "message",
            {
                **self._who(session),
                "sender": transaction.sender,
                "recipients": recipients,
                "recipient_count": len(transaction.recipients),
                "refusals": self._refused,
                "size": size,
                **result,
                "seconds": monotonic() - self._mail_began,
            },
        )
        self._refused = []

    def _who(self, session: Session) -> dict[str, Value]:
        tls = session.encryption
        return {
            "helo": session.helo,
            "user": session.user,
            "tls": b"%b %b" % (tls.version, tls.cipher) if tls else None,
        }

    def _tell(self, event: str, facts: dict[str, Value]) -> None:
        text = encode({"time": time(), "session": self._id, "event": event, **self._client, **facts})
        self._emit(text.encode("ascii"))
