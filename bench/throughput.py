"""A message of 50 MB: from a file, which is the receiver alone, and over TCP from smtp-source.

What is so large is an attachment in base64, and that has the budget. Text with a stuffed dot in every hundredth line
takes the longer way through the receiver. `cat` shows what moving 50 MB through a pipe into the null queue program
costs by itself: nobody who starts a queue program can be faster.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import servers
from clients import smtp_source
from measure import interleaved, run, step
from place import CLIENT, OURS, Place, body, mailfront, talk
from scale import Scale
from table import Budget, Row, raced

SIZE = 50_000_000  # bytes
BUDGETS: list[Budget] = [("speed", ">=", 4)]


def rows(place: Place, scale: Scale) -> list[Row]:
    attachment, text = (place.file(kind, talk(data)) for kind, data in (("base64", _base64()), ("text", body(SIZE))))
    env = place.env(**CLIENT)
    pipe = ["/bin/sh", "-c", f"cat {attachment} | {place.null_queue} 1</dev/null"]
    costs = interleaved(
        scale.rounds(9),
        {
            "ours": partial(run, [OURS], env, attachment),
            "mailfront": step(mailfront(), env, attachment),
            "cat": partial(run, pipe, env),
            "our text": partial(run, [OURS], env, text),
            "mailfront's text": step(mailfront(), env, text),
        },
    )
    row = partial(raced, count=SIZE / 1e6, unit="MB/s")
    return [
        row("50 MB in base64", "mailfront", costs["ours"], costs["mailfront"], BUDGETS),
        row("cat into the null queue", "mailfront", costs["cat"], costs["mailfront"]),
        row("50 MB of text with dots", "mailfront", costs["our text"], costs["mailfront's text"]),
        *_over_tcp(place, scale),
    ]


def _base64() -> bytes:
    line = b"VGhlIHByaWNlIG9mIHRoZSB0ZWEgaXMgbm90IHdoYXQgYW55Ym9keSBhc2tlZCBmb3IgaGVyZS4K\r\n"
    return b"Subject: bench\r\nContent-Transfer-Encoding: base64\r\n\r\n" + line * (SIZE // len(line))


def _over_tcp(place: Place, scale: Scale) -> list[Row]:
    env = place.env()
    with ExitStack() as stack:
        started = {
            "ours": stack.enter_context(servers.tcpserver([OURS], env)),
            "mailfront": stack.enter_context(servers.mailfront(mailfront(), env)),
            "aiosmtpd": stack.enter_context(servers.aiosmtpd(place.null_queue, env)),
        }
        steps = {
            name: partial(server.during, partial(smtp_source, server.port, count=1, size=SIZE)) if server else None
            for name, server in started.items()
        }
        costs = interleaved(scale.rounds(9), steps)
    ours = costs.pop("ours")
    return [
        raced("50 MB over TCP", name, ours, theirs, count=SIZE / 1e6, unit="MB/s") for name, theirs in costs.items()
    ]
