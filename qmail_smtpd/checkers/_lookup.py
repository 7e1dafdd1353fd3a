"""The DNS look-ups of mailauth (interface: mailauth/dns.py), made by net/resolver.py.

    lookup = BoundedLookup(env, seconds)
    lookup(name, rtype)                       the records; raises NoSuchName, Temporary, TooLate, and nothing else
    lookup.ahead([(name, rtype), ...])        ask several at once, for later calls; raises nothing
    lookup.ahead([...], [...])                the same, and some more whose answers are not waited for

An object serves one message and asks every question once: the answer, or why there is none, is remembered. All
questions together have `seconds`, each at most EACH. Only the time that answers take counts, not the time between
questions, in which the client may be sending its message. Once the time is used up nothing more is asked (TooLate).
`trouble` is what this host lacked for a look-up, for the log; "" if nothing.
"""

from __future__ import annotations

from time import monotonic

from ..mailauth.dns import NoSuchName, Temporary, TooLate
from ..net.resolver import Answer, Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..net.resolver import Question

EACH = 5.0  # seconds for one question


class BoundedLookup:
    """See the module's docstring."""

    def __init__(self, env: dict[bytes, bytes], seconds: float) -> None:
        self.trouble = ""
        self._env = env
        self._left = float(seconds)
        self._dns: Resolver | None = None
        self._answers: dict[Question, Answer] = {}

    def __call__(self, name: bytes, rtype: str) -> list[Any]:
        question = name.removesuffix(b".").lower(), rtype
        self.ahead([question])
        answer = self._answers.get(question)
        if answer is None or (answer.trouble and answer.exists):
            trouble = Temporary if self._left > 0 else TooLate
            raise trouble(answer.trouble if answer else self.trouble)
        if not answer.exists:
            raise NoSuchName(answer.trouble or "NXDOMAIN")
        return list(answer.records)

    def ahead(self, questions: Iterable[Question], others: Iterable[Question] = ()) -> None:
        needed = self._unknown(questions)
        if not needed:
            return
        waiting = set(needed)
        began = monotonic()
        try:
            self._dns = self._dns or Resolver(self._env, self._left, EACH)
            self._dns.begin(self._left)
            for question, answer in self._dns.answers([*needed, *self._unknown(others)]):
                self._answers[question] = answer
                waiting.discard(question)
                if not waiting:
                    break
        except (OSError, MemoryError) as error:
            self.trouble = f"{type(error).__name__}: {error}"
        finally:
            self._left -= monotonic() - began

    def _unknown(self, questions: Iterable[Question]) -> list[Question]:
        asked = ((name.removesuffix(b".").lower(), rtype) for name, rtype in questions)
        return [question for question in asked if question not in self._answers]
