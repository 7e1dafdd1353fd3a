"""LOGFORMAT=json: one JSON object a line, for programs that read logs.

    {"event": "message", ...}   a message was queued, refused after its data, or discarded by a check
    {"event": "session", ...}   a connection has ended: with what was refused outside any message, and how it ended
    {"event": "auth", ...}      each authentication, successful or not
    {"event": "log", ...}       every other line that LOGLEVEL selects, and each failure of a check

The first three are written whatever LOGLEVEL says and replace the accounting lines of the classic format. Every object
has `time` (seconds since the epoch), `session` (unique) and, once they are known, `ip` and `host`. Bytes that are not
UTF-8 are written \\xNN. Lists are cut at MOST entries, but counters count all. Lists and texts are cut further where a
line would be longer than ATOMIC, so that lines of concurrent sessions never mix. Fields: qmail-smtpd-log(5).
"""

from __future__ import annotations

from _json import encode_basestring_ascii as quoted  # json itself brings in `re`
from time import monotonic, time, time_ns

from .log import ACCOUNT, ATOMIC, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..smtp.client import Client
    from ..smtp.replies import Reply
    from .log import Facts

    Value = str | bytes | int | float | bool | list["Value"] | dict[str, "Value"] | None

MOST = 100
CUTS = ((MOST, 1 << 20), (30, 300), (10, 100), (3, 50), (1, 20))  # entries of a list, bytes of a text


def encode(value: Value, most: int = MOST, longest: int = 1 << 20) -> str:
    """A value as JSON text, its lists cut at `most` entries, its texts at `longest` bytes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, bytes):
        return quoted(value[:longest].decode("utf-8", "backslashreplace"))
    if isinstance(value, str):
        return quoted(value[:longest])
    if isinstance(value, list):
        return f"[{', '.join(encode(item, most, longest) for item in value[:most])}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{quoted(name)}: {encode(item, most, longest)}' for name, item in value.items())}}}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


class JsonLog(Log):
    """Logs of one session, as JSON. Keeps what belongs to a message until it is known what became of the message."""

    def __init__(self, program: bytes, level: int, syslog: bool = False) -> None:
        super().__init__(program, level, syslog)
        self._unique = f"{time_ns():x}.{self.pid}"
        self._began = monotonic()
        self._client: dict[str, Value] = {}
        self._who: dict[str, Value] = {"helo": None, "user": None, "tls": None}
        self._mail_began = self._began
        self._refused: list[Value] = []  # refusals since the last accepted MAIL
        self._results: list[Value] = []  # what checks found out about the current message
        self._filtered: list[Facts] = []  # results of filters since the last accepted MAIL
        self._outside: list[Value] = []  # refusals that belong to no message
        self._outside_results: list[Value] = []  # results of filters that belong to no message
        self._count = {"messages": 0, "accepted": 0, "refused": 0}

    def write(self, level: int, *parts: bytes) -> None:
        if level != ACCOUNT:
            super().write(level, *parts)

    def trouble(self, *parts: bytes) -> None:
        self.line(*parts)

    def line(self, *parts: bytes) -> None:
        self._tell("log", {"text": b"".join(parts)})

    def connected(self, client: Client) -> None:
        self._client = {"ip": client.ip, "host": client.host}

    def greeted(self, helo: bytes) -> None:
        self._who["helo"] = helo

    def encrypted(self, protocol: bytes) -> None:
        self._who = {"helo": None, "user": None, "tls": protocol}

    def sender(self, address: bytes) -> None:
        self._mail_began = monotonic()
        self._no_message()

    def recipient(self, address: bytes) -> None:
        pass  # logged with the message

    def refused(self, verb: bytes, address: bytes | None, reply: Reply, check: str) -> None:
        self._count["refused"] += 1
        if len(self._refused) < MOST:
            facts = {"command": verb, "reply": reply.line(), "address": address, "check": check, "reason": reply.reason}
            self._refused.append({name: value for name, value in facts.items() if value})

    def authenticated(self, ip: bytes, user: bytes) -> None:
        self._who["user"] = user
        self._tell("auth", {"success": True, "user": user})

    def not_authenticated(self, ip: bytes, user: bytes, reply: Reply) -> None:
        self._tell("auth", {"success": False, "user": user, "reply": reply.line()})

    def found(self, results: list[Facts]) -> None:
        self._results = _copies(results)

    def filtered(self, result: Facts) -> None:
        if len(self._filtered) < MOST:
            self._filtered.append(result)

    def queued(self, sender: bytes, recipients: list[bytes], now: int, pid: int, size: int) -> None:
        self._count["accepted"] += 1
        self._message(sender, recipients, size, {"queued": True, "qp": pid})

    def not_queued(self, sender: bytes, recipients: list[bytes], reply: Reply, size: int, status: int | None) -> None:
        result: dict[str, Value] = {"queued": False, "reply": reply.line()}
        if status is not None:
            result["exit"] = status
        self._message(sender, recipients, size, result)

    def discarded(self, sender: bytes, recipients: list[bytes], check: str, size: int) -> None:
        self._message(sender, recipients, size, {"queued": False, "discarded": check})

    def ended(self, how: bytes) -> None:
        self._no_message()
        seconds = monotonic() - self._began
        facts = {**self._who, **self._count, "refusals": self._outside, **_results(self._outside_results)}
        self._tell("session", {**facts, "end": how, "seconds": seconds})

    def _no_message(self) -> None:
        """What was refused or filtered so far belongs to no message: keep it for the end of the session."""
        self._outside += self._refused[: MOST - len(self._outside)]
        self._outside_results += _copies(self._filtered[: MOST - len(self._outside_results)])
        self._refused, self._filtered = [], []

    def _message(self, sender: bytes, recipients: list[bytes], size: int, result: dict[str, Value]) -> None:
        self._count["messages"] += 1
        facts: dict[str, Value] = {
            **self._who,
            "sender": sender,
            "recipients": list(recipients[:MOST]),
            "recipient_count": len(recipients),
            "refusals": self._refused,
            "size": size,
            **result,
            **_results(self._results + _copies(self._filtered)),
            "seconds": monotonic() - self._mail_began,
        }
        self._tell("message", facts)
        self._refused, self._results, self._filtered = [], [], []

    def _tell(self, event: str, facts: dict[str, Value]) -> None:
        line: dict[str, Value] = {"time": time(), "session": self._unique, "event": event, **self._client, **facts}
        for most, longest in CUTS:
            text = encode(line, most, longest).encode("ascii")
            if len(text) < ATOMIC:
                break
        self._emit(text)


def _copies(results: list[Facts]) -> list[Value]:
    return [dict(result) for result in results]


def _results(found: list[Value]) -> dict[str, Value]:
    """The field `results`; no field if there are none."""
    return {"results": found} if found else {}
