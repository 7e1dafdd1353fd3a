"""Signed messages for DKIM and the keys of their domains, made by a random.Random: most in order, the rest spoilt once
before or after they were signed. Every part that may be spoilt is, some time in a few hundred."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from . import signer
from .signer import Field

WORDS = (*("hello", "a", "", "world.", "=20", "\xe9", "x" * 90, ".", "..", "From", "1"), *("\u00fc", "\x0b", "\x7f"))
BLANKS = (" ", " ", " ", "  ", "\t", " \t ")
LONG_AGO, LONG_AHEAD = 1_000_000_000, 4_000_000_000


@dataclass
class World:
    """`spoilt` says what was done to it."""

    fields: list[Field]
    body: bytes
    keys: dict[bytes, list[bytes]]
    spoilt: str = ""
    options: dict[str, object] = field(default_factory=dict)  # of the signature
    later: bytes = b""  # appended after it was signed

    @property
    def message(self) -> bytes:
        return signer.joined(self.fields, self.body)


@cache
def key(kind: str) -> signer.Private:
    """The same each time: what a spoilt bit does must not depend on the run."""
    if kind == "ed25519":
        return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    texts = Path(__file__).with_name("dkim_keys.pem").read_bytes().split(b"-----BEGIN")[1:]
    keys = [load_pem_private_key(b"-----BEGIN" + text, None) for text in texts]
    (found,) = [one for one in keys if isinstance(one, RSAPrivateKey) and kind == f"rsa {one.key_size}"]
    return found


def worlds(count: int, seed: int) -> list[World]:
    dice = random.Random(seed)
    return [world(dice, number) for number in range(count)]


def world(dice: random.Random, number: int) -> World:
    fields, body = _header(dice), _body(dice)
    kind = dice.choice(("rsa 1024", "rsa 1024", "rsa 2048", "ed25519"))
    name = f"s{number}._domainkey.example.org".encode()
    options = {"c": dice.choice(("simple", "relaxed", *(f"{h}/{b}" for h in FORMS for b in FORMS)))}
    options |= {"s": f"s{number}", "h": _signed(dice, fields), "layout": dice.choice(LAYOUTS)}
    record = signer.record(key(kind), dice.choice(("", "v=DKIM1; ", "v=DKIM1; h=sha256; ")), pkcs1=False)
    made = World(fields, body, {name: [record]}, options=options)
    spoil = dice.choice((None, None, *SPOILT_BEFORE, *SPOILT_AFTER))
    if spoil in SPOILT_BEFORE:
        _say(made, spoil, dice)
    made.fields.insert(0, signer.signature(made.fields, made.body, key(kind), **made.options))  # type: ignore[arg-type]
    made.body += made.later
    if spoil in SPOILT_AFTER:
        _say(made, spoil, dice)
    return made


def _say(made: World, spoil: Callable[[World, random.Random], str | None], dice: random.Random) -> None:
    made.spoilt = spoil.__name__.strip("_").replace("_", " ")
    detail = spoil(made, dice)
    if detail:
        made.spoilt += f": {detail}"


FORMS = ("simple", "relaxed")
LAYOUTS = (" {};\n\tb={}", " {}; b={};", "\n  {} ; \n b={} ;\n\tz=From:x|To:y", " b={1};{0}", "{};b={}")


def _header(dice: random.Random) -> list[Field]:
    fields = [(b"From", b" A <a@example.org>"), (b"To", b" b@example.net"), (b"Subject", _text(dice))]
    for _ in range(dice.randrange(5)):
        name = dice.choice((b"Received", b"X-a", b"x-A", b"Cc", b"List-Id"))
        fields.insert(
            dice.randrange(len(fields) + 1), (name, b" " + _text(dice) + dice.choice((b"", b"\n\t" + b"folded", b" ")))
        )
    return fields


def _text(dice: random.Random) -> bytes:
    words = [dice.choice(WORDS) for _ in range(dice.randrange(1, 8))]
    return "".join(word + dice.choice(BLANKS) for word in words).encode("utf-8", "surrogateescape").strip() or b"x"


def _body(dice: random.Random) -> bytes:
    lines = [
        dice.choice((b"", b" ", b"\t\t")) + _text(dice) + dice.choice((b"", b"", b" ", b" \t"))
        for _ in range(dice.randrange(9))
    ]
    for _ in range(dice.randrange(3)):
        lines.insert(dice.randrange(len(lines) + 1), dice.choice((b"", b"", b" ", b"\t ")))
    return b"".join(line + b"\n" for line in lines) + dice.choice((b"", b"\n\n", b" \n"))


def _signed(dice: random.Random, fields: list[Field]) -> str:
    names = [
        "from",
        *(name.decode() for name, _ in fields if dice.random() < 0.7),
        *dice.sample(("To", "Reply-To", "x-a"), 2),
    ]
    dice.shuffle(names)
    return dice.choice((":", " : ", ":\n\t")).join(names)


# Before it is signed: what the signature or the key says


def _length(made: World, dice: random.Random) -> str:
    form = (str(made.options["c"]) + "/simple").split("/")[1]
    size = len(signer.canonical_body(form, made.body))
    made.options["l"] = dice.choice((0, size // 2, size))
    made.later = dice.choice((b"", b"more\n", b"\n \n"))
    return "and more" if made.later else ""


def _too_long(made: World, dice: random.Random) -> None:
    form = (str(made.options["c"]) + "/simple").split("/")[1]
    made.options["length_said"] = len(signer.canonical_body(form, made.body)) + dice.choice((1, 100))


TAGS = (
    *(f"t={LONG_AGO}", f"x={LONG_AHEAD}", f"t={LONG_AGO}; x={LONG_AHEAD}", "q=dns/txt", "q=other:dns/txt"),
    *("i=x@example.org", "i=@sub.example.org", "i=@SUB.EXAMPLE.ORG", "unknown=tag", "z=From:x", "n="),
    *(f"x={LONG_AGO}", f"t={LONG_AHEAD}", f"t={LONG_AHEAD}; x={LONG_AHEAD}", f"t={LONG_AHEAD}; x={LONG_AGO}"),
    *("q=other", "i=@example.com", "i=@xexample.org", "i=x", "c=relaxed", "v=1", "l=x", "t=x", "x=-1", "s=other"),
    *("=x", "x y=1"),
)


def _tag(made: World, dice: random.Random) -> str:
    made.options["more"] = dice.choice(TAGS)
    return str(made.options["more"])


def _drop(made: World, dice: random.Random) -> str:
    made.options["drop"] = dice.choice(("v", "a", "c", "d", "s", "h", "bh"))
    return str(made.options["drop"])


def _algorithm(made: World, dice: random.Random) -> str:
    made.options["algorithm"] = dice.choice(("rsa-sha1", "rsa-sha512", "ed25519-sha1", "RSA-SHA256", "x", "rsa"))
    return str(made.options["algorithm"])


def _without_from(made: World, dice: random.Random) -> None:
    made.options["h"] = "to:subject"


RECORDS = {
    "t=y": "t=y; {}",
    "t=s": "v=DKIM1; t=s; {}",
    "s=email": "s=email:x; {}",
    "s=other": "s=other; {}",
    "h=sha1": "h=sha1; {}",
    "n=": "v=DKIM1; n=some text; {};",
    "blanks": " v = DKIM1 ; {} ; ",
    "v=DKIM2": "v=DKIM2; {}",
    "v= last": "{}; v=DKIM1",
    "revoked": "v=DKIM1; p=",
    "no p": "v=DKIM1; k=rsa",
    "garbage": "garbage",
    "bad base64": "v=DKIM1; p=!!",
    "no key": "v=DKIM1; p=AAAA",
    "twice": "{0}; {0}",
    "k=dsa": "v=DKIM1; k=dsa; p=AAAA",
}


def _record(made: World, dice: random.Random) -> str:
    choice = dice.choice(list(RECORDS))
    for records in made.keys.values():
        records[:] = [RECORDS[choice].format(records[0].decode().removeprefix("v=DKIM1; ")).encode()]
    return choice


def _no_key(made: World, dice: random.Random) -> None:
    made.keys.clear()


SPOILT_BEFORE = (
    _length,
    _length,
    _too_long,
    _tag,
    _tag,
    _tag,
    _drop,
    _algorithm,
    _without_from,
    _record,
    _record,
    _no_key,
)


# After it was signed: what happens on the way


def _body_line(made: World, dice: random.Random) -> str:
    change = dice.choice(("before", "after", "blanks", "at ends", "empty lines", "case"))
    body = made.body
    made.body = {
        "before": b"x\n" + body,
        "after": body + b"x\n",
        "blanks": body.replace(b" ", b" \t"),
        "at ends": body.replace(b"\n", b" \n"),
        "empty lines": body + b"\n\n",
        "case": body.swapcase(),
    }[change]
    return change


def _another_field(made: World, dice: random.Random) -> str:
    name = dice.choice((b"From", b"To", b"Subject", b"X-A", b"Reply-To"))
    made.fields.insert(dice.randrange(len(made.fields) + 1), (name, b" another"))
    return name.decode()


def _change_field(made: World, dice: random.Random) -> str:
    at = dice.randrange(1, len(made.fields))
    name, value = made.fields[at]
    change = dice.choice(("name", "blanks", "end", "fold", "text", "gone"))
    made.fields[at] = {
        "name": (name.upper(), value),
        "blanks": (name, value.replace(b" ", b"  ")),
        "end": (name, value + b" "),
        "fold": (name, value.replace(b" ", b"\n ", 1)),
        "text": (name, value + b"x"),
        "gone": (b"Gone", value),
    }[change]
    return f"{name.decode()} {change}"


def _change_signature(made: World, dice: random.Random) -> str:
    old, new = dice.choice(
        (
            *((b"v=1", b"v=2"), (b"v=1", b"v=01"), (b"v=1", b" v = 1 "), (b"example.org", b"EXAMPLE.org")),
            *(
                (b"d=", b"d=sub."),
                (b"d=example.org", b"d="),
                (b"bh=", b"bh=A"),
                (b"h=", b"h=x:"),
                (b"; ", b";"),
                (b"; ", b";;"),
            ),
            *((b"=", b" \n ="), (b"; ", b" \n ; "), (b"; ", b"; \xff"), (b"d=example.org", b"d=nowhere.example")),
            *((b"bh=", b"bh= "), (b"DKIM", b"dkim"), (b"a=", b"A="), (b"bh=", b"BH="), (b"c=", b"c=!")),
        )
    )
    name, value = made.fields[0]
    made.fields[0] = name.replace(old, new, 1), value.replace(old, new, 1)
    return f"{old!r} becomes {new!r}"


def _flip_signature(made: World, dice: random.Random) -> None:
    name, value = made.fields[0]
    at = dice.choice([n for n, byte in enumerate(value) if chr(byte).isalnum()])
    made.fields[0] = name, value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]


def _second_signature(made: World, dice: random.Random) -> None:
    made.fields.insert(0, (b"DKIM-Signature", made.fields[0][1]))


SPOILT_AFTER = (
    *(_body_line, _body_line, _another_field, _another_field, _change_field, _change_field),
    *(_change_signature, _change_signature, _change_signature, _flip_signature, _second_signature),
)
