"""The environments that sessions can have: the plain one, and one for each of tcpserver's rules."""

from __future__ import annotations

import os

from ..control.cdb import Corrupt
from ..control.files import ControlError, reason
from ..control.tcprules import Malformed, Rule, compiled, is_database, parse_line
from .cdbfile import records
from .findings import Report, shown

HERE = "environment"


class Setting:
    """One environment: `env` has all variables, `own` those that are set here, in the environment or in a rule.
    Findings name its file and line."""

    def __init__(self, env: dict[bytes, bytes], own: dict[bytes, bytes], file: str = HERE, line: int = 0) -> None:
        self.env = env
        self.own = own
        self.file = file
        self.line = line
        self.address: bytes | None = None  # that of the rule; None for the plain environment

    def error(self, report: Report, text: str) -> None:
        report.error(self.file, self._about(text), self.line)

    def warning(self, report: Report, text: str) -> None:
        report.warning(self.file, self._about(text), self.line)

    def sets(self, *names: str) -> bool:
        """Whether one of these variables is set here."""
        return any(name.encode() in self.own for name in names)

    def has(self, name: str) -> bool:
        return name.encode() in self.env

    def value(self, name: str) -> bytes:
        return self.env.get(name.encode(), b"")

    def _about(self, text: str) -> str:
        """The text of a finding; it names the rule's address if it is from a database, which has no lines."""
        return f'rule "{shown(self.address)}": {text}' if self.address is not None and not self.line else text


def plain(env: dict[bytes, bytes]) -> Setting:
    return Setting(env, env)


def of_rules(report: Report, path: str, env: dict[bytes, bytes]) -> list[Setting]:
    """A Setting for each rule that allows. Errors in the rules are reported."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        report.unusable(ControlError(os.fsencode(path), reason(error)))
        return []
    database = is_database(os.fsencode(path), text[:2048])
    rules = _of_database(report, path, text) if database else _of_text(report, path, text)
    _judge_addresses(report, path, rules)
    return [_setting(rule, path, env) for rule in rules if rule.allow]


def _setting(rule: Rule, path: str, env: dict[bytes, bytes]) -> Setting:
    own = dict(rule.variables)
    setting = Setting({**env, **own}, own, path, rule.line)
    setting.address = rule.address
    return setting


def _of_text(report: Report, path: str, text: bytes) -> list[Rule]:
    rules: list[Rule] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        try:
            found = parse_line(line, number)
        except Malformed as error:
            why = "its lines end in CR LF: remove each CR" if line.endswith(b"\r") else shown(error.args[1])
            report.error(path, f"tcprules refuses the whole file: {why}", number)
            if line.endswith(b"\r"):
                break  # every line does
            continue
        if line.strip() and not line.startswith(b"#") and not found:
            why = "its range is empty" if b":" in line else "it has no colon"
            report.error(path, f"this rule matches no client: {why}", number)
        rules += found
    return rules


def _of_database(report: Report, path: str, data: bytes) -> list[Rule]:
    try:
        return [compiled(address, value) for address, value in records(data)]
    except Corrupt as error:
        report.error(path, f"corrupt constant database ({error}): make it again with tcprules")
        return []


def _judge_addresses(report: Report, path: str, rules: list[Rule]) -> None:
    """Report rules that never apply."""
    first: dict[bytes, Rule] = {}
    for rule in rules:
        before = first.setdefault(rule.address, rule)
        name = shown(rule.address)
        if before is not rule:
            where = f"line {before.line}" if before.line else "an earlier one"
            report.error(path, f'no effect: {where} is for "{name}" too, and the first one counts', rule.line)
        elif rule.address.lstrip(b" \t") != rule.address:
            report.error(path, f'no effect: blanks before "{name.strip()}"', rule.line)
        elif b"/" in rule.address:
            report.error(path, f'no effect: "{name}": tcpserver knows no masks; write 10. or 10.0-3.', rule.line)
        elif _is_part_of_ip(rule.address):
            text = f'no effect: "{name}" is no complete address: write "{name}." for all that begin so'
            report.error(path, text, rule.line)
        elif _is_no_client(rule.address):
            text = f'no effect: "{name}" is no address of a client; a name is written "=name"'
            report.error(path, text, rule.line)


def _is_no_client(address: bytes) -> bool:
    """Whether it is neither an IP address, a part of one that ends in a dot or colon, nor a name."""
    address = address.rpartition(b"@")[2]
    if not address or address.startswith(b"=") or b":" in address:
        return False
    octets = address.removesuffix(b".").split(b".")
    return len(octets) > 4 or not all(octet.isdigit() and len(octet) < 4 and int(octet) < 256 for octet in octets)


def _is_part_of_ip(address: bytes) -> bool:
    octets = address.split(b".")
    return len(octets) < 4 and all(octet.isdigit() for octet in octets)
