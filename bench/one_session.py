"""One session on pipes: beside the bare interpreter, beside mailfront, and what each part of the start-up is worth."""

from __future__ import annotations

from functools import partial

from measure import interleaved, run, step
from place import BARE, CLIENT, OURS, Place, body, mailfront, smtpfront, talk
from scale import Scale
from table import Budget, Row, compared

BUDGETS: list[Budget] = [("CPU", "<=", 1.30), ("wall", "<=", 1.30)]


def rows(place: Place, scale: Scale) -> list[Row]:
    """EHLO, MAIL, RCPT, DATA with 1 kB, QUIT, all there in one piece."""
    said = place.file("session", talk(body(1024)))
    message = place.file("message", body(1024))
    env = place.env(**CLIENT)
    costs = interleaved(
        scale.rounds(300),
        {
            "bare": partial(run, BARE, env),
            "queue": partial(run, [place.null_queue], env, message, both=True),
            "ours": partial(run, [OURS], env, said),
            "script": step(smtpfront(), env, said),
            "mailfront": step(mailfront(), env, said),
        },
    )
    floor = [bare + queue for bare, queue in zip(costs["bare"], costs["queue"], strict=True)]
    ours = costs["ours"]
    return [
        compared("session", "bare interpreter + null queue", ours, floor, BUDGETS),
        compared("session", "smtpfront-qmail", ours, costs["script"]),
        compared("session", "mailfront without its script", ours, costs["mailfront"]),
        compared("bare interpreter", "mailfront without its script", costs["bare"], costs["mailfront"]),
    ]
