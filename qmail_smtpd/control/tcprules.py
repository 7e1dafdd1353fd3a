"""The rules of tcpserver: which clients may connect, and with which variables (tcprules(1), tcpserver(1)).

Reads the text that tcprules compiles, with lines `ADDRESS:allow,NAME="VALUE",...` or `ADDRESS:deny`, or the constant
database that tcprules makes of it. `Rules.look_up` tries addresses in tcpserver's order; the first with a rule decides:

    INFO@IP  INFO@=HOST  IP  =HOST  10.1.  10.  =.example.org  =.org  =  (empty)

As in ucspi-tcp-ipv6 the prefixes of an IPv6 address end in a colon: the rule of `2001:db8:` is written
`2001:db8::allow`. A client without any rule is allowed. Of two rules for one address the first counts, of two values
for one variable the last. Addresses are case-sensitive.

    rules(path)         the Rules of a file; cached while the file is unchanged
    descriptors()       the descriptors that cached Rules hold open

Raises ControlError for a file that cannot be read, a corrupt database, and a text that tcprules would refuse. What is
legal but suspicious is left to qmail-smtpd-check. Must stay cheap to import: the parent of the resident mode does.
"""

from __future__ import annotations

from ..smtp.numbers import leading_number
from .cdb import Corrupt, Reader
from .files import ControlError, open_regular, reason
from .kept import Kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_kept = Kept()  # Rules by path
_HIGHEST = 255  # the largest number in a range like `10.0.0.1-7`


def rules(path: bytes) -> Rules:
    return _kept.get(path, [path], lambda: Rules(path))


def descriptors() -> set[int]:
    return {kept.fileno() for kept in _kept.values() if kept.compiled}


class Rule:
    """One rule: a single address (ranges are expanded), whether it is allowed, and its variables in order."""

    __slots__ = ("address", "allow", "variables", "line")

    def __init__(self, address: bytes, allow: bool, variables: list[tuple[bytes, bytes]], line: int = 0) -> None:
        self.address = address
        self.allow = allow
        self.variables = variables
        self.line = line  # 0: from a database


class Malformed(Exception):
    """A line that tcprules refuses: args are its number and what is wrong with it."""


class Decision:
    """What the rules say of a client. `rule` is where that is written: `FILE:LINE`, `FILE (ADDRESS)` for a database,
    "" if no rule applies."""

    __slots__ = ("allow", "variables", "rule")

    def __init__(self, allow: bool, variables: dict[bytes, bytes], rule: str) -> None:
        self.allow = allow
        self.variables = variables
        self.rule = rule


class Rules:
    """The rules of one file, text or constant database. Raises ControlError."""

    def __init__(self, path: bytes) -> None:
        self.path = path
        try:
            self._file = open_regular(path)
            text = self._file.read(2048)
            self.compiled = is_database(path, text)
            if not self.compiled:
                text += self._file.read()
        except OSError as error:
            raise ControlError(path, reason(error)) from error
        if self.compiled:
            try:
                self._cdb = Reader(self._file)
            except Corrupt as error:
                raise ControlError(path, b"corrupt constant database") from error
            return
        self._file.close()
        try:
            self._listed = Listed(text)
        except Malformed as error:
            raise ControlError(path, b"line %d: %b" % error.args) from error

    def fileno(self) -> int:
        return self._file.fileno()

    def look_up(self, ip: bytes, host: bytes | None = None, info: bytes | None = None) -> Decision:
        """What tcpserver would do with this client; None for a host name or ident user that is not known. Raises
        ControlError."""
        for address in addresses(ip, host, info):
            rule = self._rule(address)
            if rule is not None:
                where = f"{self.path.decode(errors='replace')}"
                where += f":{rule.line}" if rule.line else f" ({address.decode(errors='replace')})"
                return Decision(rule.allow, dict(rule.variables), where)
        return Decision(True, {}, "")

    def _rule(self, address: bytes) -> Rule | None:
        if not self.compiled:
            return self._listed.find(address)
        try:
            data = self._cdb.get(address)
        except Corrupt as error:
            raise ControlError(self.path, b"corrupt constant database") from error
        return None if data is None else compiled(address, data)


class Listed:
    """The rules of a text, parsed for few look-ups, since often a single session asks: ranges are not expanded, and
    equal right-hand sides are parsed once. Raises Malformed."""

    def __init__(self, text: bytes) -> None:
        self._lines: dict[bytes, tuple[int, bytes]] = {}  # address -> number and right-hand side of its first line
        self._ranges: dict[bytes, list[tuple[Range, int, bytes]]] = {}  # by the text before the range's numbers
        self._verdicts: dict[bytes, tuple[bool, list[tuple[bytes, bytes]]]] = {}
        for number, line in enumerate(text.split(b"\n"), 1):
            address, verdict = divided(line, number)
            if not verdict:
                continue
            if verdict not in self._verdicts:
                self._verdicts[verdict] = understood(verdict, number)
            many = Range.of(address, number) if b"-" in address else None
            if many is None:
                self._lines.setdefault(address, (number, verdict))
            else:
                self._ranges.setdefault(many.left, []).append((many, number, verdict))

    def find(self, address: bytes) -> Rule | None:
        """The first rule for this very address."""
        found = [self._lines[address]] if address in self._lines else []
        if self._ranges:
            found += self._in_ranges(address)
        if not found:
            return None
        number, verdict = min(found)
        return Rule(address, *self._verdicts[verdict], number)

    def _in_ranges(self, address: bytes) -> Iterator[tuple[int, bytes]]:
        start = 0
        while start >= 0:
            for many, number, verdict in self._ranges.get(address[:start], ()):
                if many.has(address[start:]):
                    yield number, verdict
            start = address.find(b".", start) + 1 or -1


class Range:
    """`10.0.0.1-3`: the text before the numbers, the lowest and highest number, and the text behind them."""

    __slots__ = ("left", "low", "high", "right")

    def __init__(self, left: bytes, low: int, high: int, right: bytes) -> None:
        self.left = left
        self.low = low
        self.high = high
        self.right = right

    @classmethod
    def of(cls, address: bytes, number: int) -> Range | None:
        """The range that an address stands for; None if it is no range (no dash, or = or @ in it). Raises Malformed."""
        if b"-" not in address or b"=" in address or b"@" in address:
            return None
        head, _, tail = address.partition(b"-")
        left = head.rfind(b".") + 1
        right = tail.find(b".") if b"." in tail else len(tail)
        low, high = head[left:], tail[:right]
        if low.strip(b"0123456789") or high.strip(b"0123456789"):
            raise Malformed(number, b"not a range of numbers: " + address)
        return cls(head[:left], leading_number(low, 0), min(leading_number(high, 0), _HIGHEST), tail[right:])

    def has(self, rest: bytes) -> bool:
        """Whether `rest`, the part of an address behind `left`, is one of the numbers followed by `right`."""
        digits, dot, _ = rest.partition(b".")
        value = leading_number(digits, -1)
        return self.low <= value <= self.high and digits == b"%d" % value and rest[len(digits) :] == self.right

    def addresses(self) -> list[bytes]:
        """Every address of the range."""
        return [b"%b%d%b" % (self.left, value, self.right) for value in range(self.low, self.high + 1)]


def addresses(ip: bytes, host: bytes | None, info: bytes | None) -> Iterator[bytes]:
    """The addresses by which a rule can apply to this client, in the order in which they are tried."""
    if info is not None:
        yield b"%b@%b" % (info, ip)
        if host is not None:
            yield b"%b@=%b" % (info, host)
    yield ip
    if host is not None:
        yield b"=" + host
    for length in range(len(ip), 0, -1):
        if ip[length - 1 : length] in (b".", b":"):
            yield ip[:length]
    if host is not None:
        dot = host.find(b".")
        while dot >= 0:
            yield b"=" + host[dot:]
            dot = host.find(b".", dot + 1)
        yield b"="
    yield b""


def is_database(path: bytes, head: bytes) -> bool:
    """Whether a file that begins with `head` is a constant database: by its name, or since only these have NULs."""
    return path.endswith(b".cdb") or b"\0" in head


def compiled(address: bytes, data: bytes) -> Rule:
    """A rule as the database stores it: `D` for deny, `+NAME=VALUE` for a variable, each followed by a NUL."""
    allow, variables = True, []
    for field in data.split(b"\0")[:-1]:
        if field.startswith(b"D"):
            allow = False
        elif field.startswith(b"+"):
            name, equals, value = field[1:].partition(b"=")
            if equals:
                variables.append((name, value))
    return Rule(address, allow, variables)


def parse_line(line: bytes, number: int) -> list[Rule]:
    """The rules of one line, a range as one rule for each of its addresses; none for a comment and for a line without a
    colon. For qmail-smtpd-check; a session reads a Listed. Raises Malformed."""
    address, verdict = divided(line, number)
    if not verdict:
        return []
    allow, variables = understood(verdict, number)
    return [Rule(one, allow, variables, number) for one in expanded(address, number)]


def divided(line: bytes, number: int) -> tuple[bytes, bytes]:
    """The address of a line and its right-hand side (`allow,...` or `deny...`); both b"" for a line without a rule.
    Raises Malformed."""
    line = line.rstrip(b" \t")
    if not line or line.startswith(b"#") or b":" not in line:
        return b"", b""
    colon = _verdict_colon(line)
    if colon < 0:
        raise Malformed(number, b"neither :allow nor :deny")
    return line[:colon], line[colon + 1 :]


def understood(verdict: bytes, number: int) -> tuple[bool, list[tuple[bytes, bytes]]]:
    """Whether a right-hand side allows, and its variables. Raises Malformed."""
    allow = verdict.startswith(b"allow")
    return allow, _variables(verdict[5 if allow else 4 :], number)


def _verdict_colon(line: bytes) -> int:
    """Where the colon before `allow` or `deny` is (an IPv6 address has others before it), -1 without one."""
    colon = line.find(b":")
    while colon >= 0 and not line.startswith((b"allow", b"deny"), colon + 1):
        colon = line.find(b":", colon + 1)
    return colon


def _variables(text: bytes, number: int) -> list[tuple[bytes, bytes]]:
    """The variables in `,NAME="VALUE",...`; any byte may be used as the quotation mark. Raises Malformed."""
    found = []
    while text:
        name, equals, rest = text[1:].partition(b"=")
        if text[:1] != b",":
            raise Malformed(number, b"a comma is missing before " + text)
        if not equals or not rest:
            raise Malformed(number, b'a variable is written NAME="VALUE": ' + text[1:])
        value, quote, text = rest[1:].partition(rest[:1])
        if not quote:
            raise Malformed(number, b"the value is not closed: " + name)
        found.append((name, value))
    return found


def expanded(address: bytes, number: int) -> list[bytes]:
    """`10.0.0.1-3` as its three addresses, any other as it is. Raises Malformed."""
    many = Range.of(address, number)
    return [address] if many is None else many.addresses()
