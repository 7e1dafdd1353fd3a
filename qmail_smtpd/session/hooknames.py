"""Find misspelt hooks in a site's checker: they would never be called, and mail would pass unchecked.

    misspelt(checker)       what is wrong with the checker's hooks, "" if nothing

A public method looks like a misspelt hook if it takes as many arguments as that hook and its name is nearly the same,
is the same with a word before or behind it (`on_mail`, `rcpt_to`), or is another word for it (OTHER_WORDS).
"""

from __future__ import annotations

from .hooks import HOOKS, Checker
from .spelling import nearest

OTHER_WORDS = {
    "connection": "connect",
    "greeting": "connect",
    "ehlo": "helo",
    "authenticate": "auth",
    "login": "auth",
    "sender": "mail",
    "mailfrom": "mail",
    "recipient": "rcpt",
    "rcptto": "rcpt",
    "content": "message",
    "header": "block",
    "body": "block",
    "refuse": "refused",
    "reject": "refused",
    "rejected": "refused",
    "close": "ended",
    "end": "ended",
    "quit": "ended",
}
WITHOUT_VERDICT = ("refused", "release", "ended")  # these decide nothing: a checker needs another hook too
_AFFIXES = ("on", "do", "handle", "hook", "from", "to", "cmd", "command")
_ARGUMENTS = dict.fromkeys(HOOKS, 3) | {"refused": 4, "release": 1, "ended": 1}  # self counts


def misspelt(checker: Checker) -> str:
    """The first thing that is wrong, with file and line, as text for administrators; "" if nothing is."""
    for name in _public_methods(checker):
        meant = _meant(name, _arguments(getattr(type(checker), name)))
        if meant:
            return f"{_place(checker, name)}its method {name} is no hook: is {meant} meant?"
    if not any(hasattr(checker, hook) for hook in HOOKS if hook not in WITHOUT_VERDICT):
        return f"{_place(checker)}{type(checker).__name__} has no hook, so it would never be asked"
    return ""


def _public_methods(checker: Checker) -> list[str]:
    known = {*HOOKS, *dir(Checker)}
    names = (name for name in dir(type(checker)) if not name.startswith("_") and name not in known)
    return [name for name in names if hasattr(getattr(type(checker), name), "__code__")]


def _meant(name: str, arguments: int) -> str:
    """The hook that a method with this name and number of arguments looks like, "" for none."""
    words = [word for word in name.lower().split("_") if word and word not in _AFFIXES]
    bare = "".join(words) or name
    meant = bare if bare in HOOKS else OTHER_WORDS.get(bare, "") or nearest(bare, HOOKS)
    return meant if meant and _ARGUMENTS[meant] == arguments else ""


def _arguments(method: object) -> int:
    return int(method.__code__.co_argcount)  # type: ignore[attr-defined]


def _place(checker: Checker, name: str = "") -> str:
    """`FILE:LINE: ` of a method, of __init__ without a name; "" if it is not written in Python."""
    found = getattr(type(checker), name or "__init__", None)
    code = getattr(found, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}: " if code is not None else ""
