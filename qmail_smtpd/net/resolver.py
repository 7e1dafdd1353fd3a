"""A DNS client without threads, with a limit on time (SPEC section 9).

    dns = Resolver(env, seconds)
    answer = dns.ask(name, rtype)                     one question
    for question, answer in dns.answers(questions)    many at once, in the order in which answers come

The servers are those of nameservers.py. A question is sent to one after the other, and a second time to those that did
not answer, until one answers with records or says that there are none. SERVFAIL, REFUSED and the like count as no
answer, and so does a referral: it comes from a server that does not resolve names for us. The server that answered
last is asked first the next time. After `seconds` every open question gets an Answer
with the trouble "no answer in time". Servers must follow CNAMEs themselves. Search domains and /etc/hosts are not used.

Errors of servers are in the Answer. If this host lacks something, such as descriptors or memory, OSError or
MemoryError is raised, so that it is never mistaken for an answer. Nothing stays open between two calls.
"""

from __future__ import annotations

import select
from time import monotonic

from .dnsmessage import NO_ERROR, NXDOMAIN, RCODES, BadName, BadResponse
from .exchange import Exchange, is_ours
from .nameservers import nameservers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .dnsmessage import Response
    from .nameservers import Server

    Question = tuple[bytes, str]  # a name and a type of dnsmessage.TYPES

ROUNDS = 2  # how often a silent server is asked; the second time it has twice the time
SHORTEST = 0.05  # seconds; the least time before the next server is asked
LONGEST = 86400.0  # seconds; poll() accepts no number of milliseconds above 2**31
MOST_AT_ONCE = 64  # questions that are asked at the same time; others wait


class Answer:
    """The result of a question. `trouble` says why there is no answer, "" if there is one; with it `records` is
    empty."""

    __slots__ = ("records", "exists", "trouble")

    def __init__(self, records: list[Any], exists: bool = True, trouble: str = "") -> None:
        self.records = records  # as in dnsmessage.py
        self.exists = exists  # False: NXDOMAIN, or no valid name
        self.trouble = trouble


class Resolver:
    """See the module's docstring. All questions together have `seconds` from now on, each at most `each` seconds.
    Raises OSError if /etc/resolv.conf cannot be read."""

    def __init__(self, env: dict[bytes, bytes], seconds: float, each: float | None = None) -> None:
        self._each = seconds if each is None else each
        self._servers = nameservers(env)
        self.begin(seconds)

    def begin(self, seconds: float) -> None:
        """Set the time for all further questions: `seconds` from now on."""
        self._deadline = monotonic() + min(seconds, LONGEST)

    def ask(self, name: bytes, rtype: str) -> Answer:
        return next(answer for _, answer in self.answers([(name, rtype)]))

    def answers(self, questions: Iterable[Question]) -> Iterator[tuple[Question, Answer]]:
        """Every question once, with its answer. The caller may stop iterating at any time. Raises OSError and
        MemoryError."""
        waiting = list(dict.fromkeys(questions))[::-1]
        asked: list[_Asked] = []
        try:
            while waiting or asked:
                while waiting and len(asked) < MOST_AT_ONCE:
                    deadline = min(self._deadline, monotonic() + self._each)
                    asked.append(_Asked(waiting.pop(), self._servers, deadline))
                self._proceed(asked)
                for each in [each for each in asked if each.answer is not None]:
                    asked.remove(each)
                    self._prefer(each.answered_by)
                    yield each.question, each.answer  # type: ignore[misc]
        finally:
            for each in asked:
                each.close()

    def _proceed(self, asked: list[_Asked]) -> None:
        """Send the questions that are due, then wait until a response comes or the next question is due."""
        for each in asked:
            each.ask_if_due()
        if any(each.answer is not None for each in asked):
            return
        poller, owners = select.poll(), {}
        for each in asked:
            for exchange in each.exchanges.values():
                poller.register(exchange.fileno(), exchange.events())
                owners[exchange.fileno()] = each, exchange
        seconds = min(each.due for each in asked) - monotonic()
        for fd, _ in poller.poll(max(seconds, 0) * 1000 + 1):
            each, exchange = owners[fd]
            if each.answer is None:
                each.hear(exchange)

    def _prefer(self, server: Server | None) -> None:
        """Ask this server first from now on: those before it did not answer."""
        if server is not None and server != self._servers[0]:
            self._servers = [server, *(other for other in self._servers if other != server)]


class _Asked:
    """One question that has no answer yet, and its exchanges with servers."""

    def __init__(self, question: Question, servers: list[Server], deadline: float) -> None:
        self.question = question
        self.answer: Answer | None = None
        self.answered_by: Server | None = None
        self.exchanges: dict[Server, Exchange] = {}
        self.due = 0.0  # when the next server is to be asked, by time.monotonic
        self._trouble = ""
        self._failed: set[Server] = set()
        self._deadline = deadline
        shortest = max((deadline - monotonic()) / len(servers) / (2**ROUNDS - 1), SHORTEST)
        self._turns = [(server, shortest * 2**number) for number in range(ROUNDS) for server in servers]

    def ask_if_due(self) -> None:
        """Ask the next server if it is time to. At the deadline, or if all servers have failed, the question gets its
        final answer."""
        while self.answer is None and self.due <= (now := monotonic()):
            if now >= self._deadline:
                self._conclude(Answer([], trouble=self._trouble or "no answer in time"))
            elif self._turns:
                server, seconds = self._turns.pop(0)
                if server not in self._failed:
                    self.due = min(now + seconds, self._deadline)
                    self._ask(server)
            elif self.exchanges:
                self.due = self._deadline  # every server was asked: wait for one of them
            else:
                self._conclude(Answer([], trouble=self._trouble))

    def hear(self, exchange: Exchange) -> None:
        """Read what has come from a server."""
        try:
            reply = exchange.proceed()
        except (OSError, BadResponse) as error:
            self._give_up(exchange.server, error)
            return
        if reply is not None:
            self._judge(exchange.server, reply)

    def close(self) -> None:
        for exchange in self.exchanges.values():
            exchange.close()
        self.exchanges.clear()

    def _ask(self, server: Server) -> None:
        try:
            if server not in self.exchanges:
                self.exchanges[server] = Exchange(server, *self.question)
            self.exchanges[server].ask()
        except BadName:
            self._conclude(Answer([], exists=False, trouble="not a valid domain name"))
        except OSError as error:
            self._give_up(server, error)

    def _judge(self, server: Server, reply: Response) -> None:
        if reply.lame:
            self._fail(server, "the server does not resolve names of other servers")
        elif reply.rcode in (NO_ERROR, NXDOMAIN):
            self.answered_by = server
            self._conclude(Answer(reply.records, exists=reply.rcode == NO_ERROR))
        else:
            self._fail(server, RCODES.get(reply.rcode, f"error {reply.rcode}"))

    def _give_up(self, server: Server, error: Exception) -> None:
        """The exchange with a server has failed. Raises the error if it is this host's."""
        if isinstance(error, OSError) and is_ours(error):
            raise error
        self._fail(server, str(error.strerror if isinstance(error, OSError) else error))

    def _fail(self, server: Server, trouble: str) -> None:
        """This server cannot answer the question: ask the next one at once."""
        self._trouble = trouble
        self._failed.add(server)
        exchange = self.exchanges.pop(server, None)
        if exchange:
            exchange.close()
        self.due = 0.0

    def _conclude(self, answer: Answer) -> None:
        self.answer = answer
        self.close()
