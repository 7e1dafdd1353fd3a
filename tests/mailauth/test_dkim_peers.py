"""DKIM: the same answers as libopendkim, Mail::DKIM and dkimpy on 1,200 signed messages, most of them spoilt, or a
difference that a rule explains.

Compared is, for each signature, whether it passes, fails (it was computed, and is wrong) or cannot be used; with dkimpy
only whether it passes. Each of the rules is needed by some message, and says where a peer is not as RFC 6376 is.
"""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import dkim as dkimpy
import pytest

from qmail_smtpd.mailauth import dkim
from qmail_smtpd.mailauth.results import Result

from . import dkim_worlds, signer
from .dkim_worlds import World

HERE = Path(__file__).resolve().parent
NOW = 1_800_000_000
Answers = list[list[str]]  # of each message, of each signature


@cache
def worlds() -> list[World]:
    return dkim_worlds.worlds(1200, 6376)


@cache
def ours() -> list[list[Result]]:
    return [
        dkim.verify(signer.split(world.message)[0], lambda: [world.body], signer.zone(world.keys), NOW)  # noqa: B023
        for world in worlds()
    ]


def crlf(world: World) -> bytes:
    return world.message.replace(b"\n", b"\r\n")


def asked(*argv: str) -> Answers:
    """What another program says, all in one run."""
    said = [
        [base64.b64encode(crlf(world)).decode(), {k.decode(): v[0].decode("latin1") for k, v in world.keys.items()}]
        for world in worlds()
    ]
    ran = subprocess.run(argv, input=json.dumps(said), capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    answers: Answers = json.loads(ran.stdout)
    return answers


def opendkim() -> Answers:
    return asked(sys.executable, str(HERE / "peer_opendkim.py"))


def mail_dkim() -> Answers:
    return asked("perl", str(HERE / "peer_mail_dkim.pl"))


def of_dkimpy() -> Answers:
    logging.getLogger("dkimpy").setLevel(logging.CRITICAL)
    return [_of_dkimpy(world) for world in worlds()]


def _of_dkimpy(world: World) -> list[str]:
    def txt(name: bytes, timeout: int = 5) -> bytes | None:
        return world.keys.get(name.removesuffix(b".").lower(), [None])[0]

    verifier = dkimpy.DKIM(crlf(world), logger=logging.getLogger("dkimpy"))
    answers = []
    for number in range(sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)):
        try:
            answers.append("pass" if verifier.verify(idx=number, dnsfunc=txt) else "fail")
        except Exception as error:  # some are no DKIMException
            answers.append(f"{type(error).__name__}: {error}")
    return answers


def kind(answer: str) -> str:
    word = answer.split(" ")[0]
    if word == BADSIG:
        return "fail"
    return word if word in ("pass", "fail") else "unusable"


# The rules: whether one explains that a peer gave this answer where ours is that result

BADSIG, TOO_LARGE_L = "28", "33"  # numbers of libopendkim
Rule = Callable[[World, Result, str], bool]


def reason(*texts: str) -> Rule:
    """Ours has one of these reasons; the peer does not mind."""
    return lambda world, result, answer: any(text in result.reason for text in texts)


def header(world: World) -> bytes:
    """Each field begins after a LF."""
    return b"\n" + world.message.partition(b"\n\n")[0]


def froms(world: World) -> int:
    return header(world).lower().count(b"\nfrom:")


OPENDKIM: dict[str, Rule] = {
    "a vertical tab is a blank": lambda world, result, answer: answer == BADSIG and b"\x0b" in header(world),
    "one From or no answer": lambda world, result, answer: not answer and froms(world) != 1,
    "two semicolons are unreadable": lambda world, result, answer: not answer and b";;" in header(world),
    "tags may be there twice": reason("occurs twice"),
    "base64 is read loosely": reason("b= cannot be read", "bh= cannot be read"),
    "rsa-sha1 is computed": reason("rsa-sha1"),
    "l= beyond the body is unusable": lambda world, result, answer: answer == TOO_LARGE_L,
}
MAIL_DKIM: dict[str, Rule] = {
    # Until 1.2023 it does not know ed25519; since then it does not mind what a= says to such a key.
    "ed25519 is new": lambda world, result, answer: (
        "unsupported algorithm ed25519" in answer or "for another algorithm" in result.reason
    ),
    "l= beyond the body does not matter": reason("shorter than l="),
    "l=0 is no l=": lambda world, result, answer: world.options.get("l") == 0 and "body has been altered" in answer,
    "numbers may be anything": reason("t= cannot be read", "l= cannot be read"),
    "tag names may be anything": reason("not a list of tags"),
    "tags may be there twice": reason("occurs twice"),
    "v=, h= and bh= may be missing": reason("v= is missing", "h= is missing"),
    "From need not be signed": reason("From"),
    "v=0 is a version": reason("v= is not 1"),
    "it may be from the future": reason("future"),
    "base64 is read loosely": reason("b= cannot be read", "bh= cannot be read"),
}
DKIMPY: dict[str, Rule] = {
    "blanks around b= are kept": lambda world, result, answer: answer == "fail" and b" ;\n\tz=" in header(world),
    "each From is signed": lambda world, result, answer: (
        answer == "fail" and header(world).lower().count(b"\nfrom:") > 1
    ),
    "l= beyond the body does not matter": reason("shorter than l="),
    "tag names may be anything": reason("not a list of tags"),
    "From need not be signed": reason("From"),
    "a key's h= does not matter": reason("not for sha256"),
    "a key's s= is one word": lambda world, result, answer: world.spoilt == "record: s=email",
    "q= is one word": lambda world, result, answer: "q= value" in answer,
    "algorithms are in lower case": lambda world, result, answer: "RSA-SHA256" in answer,
}


def compared(theirs: Answers, rules: dict[str, Rule], classes: Callable[[str], str]) -> None:
    used: Counter[str] = Counter()
    unexplained = []
    for world, results, answers in zip(worlds(), ours(), theirs, strict=True):
        for result, answer in zip(results, answers or [""] * len(results), strict=True):
            if classes(kind(result.value)) == classes(kind(answer)):
                continue
            explained = [name for name, rule in rules.items() if rule(world, result, answer)]
            used.update(explained)
            if not explained:
                unexplained.append((world.spoilt, result, answer, world.message))
    assert not unexplained
    assert set(used) == set(rules), "rules that nothing needs"


@pytest.mark.parametrize(
    ("peer", "rules"), [(opendkim, OPENDKIM), (mail_dkim, MAIL_DKIM)], ids=["libopendkim", "Mail::DKIM"]
)
def test_the_same_answers(peer: Callable[[], Answers], rules: dict[str, Rule]) -> None:
    compared(peer(), rules, str)


def test_the_same_passes_as_dkimpy() -> None:
    compared(of_dkimpy(), DKIMPY, lambda answer: answer if answer == "pass" else "no")


def test_the_messages_are_of_all_kinds() -> None:
    values = Counter(result.value for results in ours() for result in results)
    assert values["pass"] > 200 and values["fail"] > 100 and values["permerror"] > 100
    assert values["neutral"] > 50 and values["policy"] > 5
    assert len({world.spoilt for world in worlds()}) > 80
