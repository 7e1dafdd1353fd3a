"""bin/qmail-smtpd-explain: which replies a client would get, and what decides them (qmail-smtpd-explain(8)).

Exit status: 0 if MAIL, every RCPT and the message, if there is one, are accepted; 1 if one of them is refused for good,
or the rules deny the client; 2 if one is deferred and none refused for good; 100 for a wrong command line.
"""

from __future__ import annotations

import json
import os
import sys

from ..checkers import ORDER, SITE
from ..control.config import read
from ..control.files import ControlError, ControlFiles, enter_home
from ..control.tcprules import Decision, Rules
from ..smtp import replies
from . import question
from .check import environment, rules_file
from .findings import shown
from .rehearsal import DEFERS, REFUSES, SHADOWED, Opinion, Rehearsal, Step, module_of, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

ACCEPTED, REFUSED, DEFERRED = 0, 1, 2
RECORD_ONLY = {b"SPFBEHAVIOR": b"1", b"DKIMVERIFY": b"", b"DMARCBEHAVIOR": b"1"}
VERIFIERS = ("smtpmilters", "DKIMVERIFY", "spfbehavior", "dmarcbehavior")
RESULTS = {ACCEPTED: "accepted", REFUSED: "refused", DEFERRED: "deferred"}


class Explanation:
    """Everything that is printed, as text or as JSON."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[Step] = []
        self.unused: dict[str, str] = {}  # checks that are not configured, and what would configure them
        self.verdict = Decision(True, {}, "")
        self.ruled = False  # whether there are rules
        self.added: list[bytes] = []  # fields that checks add to the message
        self.removed: list[bytes] = []  # fields that checks remove from it
        self.result = ACCEPTED


def main() -> int:
    """The program. Returns its exit code."""
    arguments = question.arguments()
    sys.dont_write_bytecode = True  # loading a site's checkers must not write files
    explanation = Explanation()
    explanation.notes += arguments.notes
    try:
        _explain(explanation, arguments)
    except ControlError as error:
        explanation.notes.append(f"unable to read {shown(error.path)}: {shown(error.reason)}")
        explanation.notes.append(f"the client gets: {shown(replies.CONTROLS_UNREADABLE.line())}")
        explanation.result = DEFERRED
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout.write(_as_json(explanation) if arguments.json else _as_text(explanation))
    return explanation.result


def _explain(explanation: Explanation, arguments: Namespace) -> None:
    """Raises ControlError where a session would get 421."""
    env = environment(arguments.home)
    rules = rules_file(arguments.rules, env)
    question.describe_client(env, arguments)
    enter_home(env)
    me = ControlFiles().line("me")
    if me and b"TCPLOCALIP" not in env:
        env.setdefault(b"TCPLOCALHOST", me)  # as with tcpserver -l in a run script
    if rules:
        verdict = Rules(os.fsencode(rules)).look_up(
            env[b"TCPREMOTEIP"], env.get(b"TCPREMOTEHOST"), env.get(b"TCPREMOTEINFO")
        )
        explanation.verdict, explanation.ruled = verdict, True
        env.update(verdict.variables)
        if not verdict.allow:
            explanation.result = REFUSED
            return
    if arguments.stored is not None and not read(env).wants(VERIFIERS):
        env.update(RECORD_ONLY)
        explanation.notes.append("no filter, SPF, DKIM or DMARC is configured: here the last three are asked anyway")
    _rehearse(explanation, arguments, env)


def _rehearse(explanation: Explanation, arguments: Namespace, env: dict[bytes, bytes]) -> None:
    encrypted = arguments.tls or env.pop(b"SMTPS", b"") == b"1"
    rehearsal = Rehearsal(env, encrypted, milters=arguments.stored is not None)
    if rehearsal.unasked:
        names = ", ".join(shown(checker.name.encode()) for checker in rehearsal.unasked)
        explanation.notes.append(f"without --message milters are not asked: {names}")
    if encrypted and not rehearsal.config.certificate:
        explanation.notes.append("there is no certificate: a client cannot encrypt here")
    script = question.script(arguments)
    rehearsal.run(script)
    explanation.steps = [step for step in rehearsal.steps if step.hook != "quit"]
    unsaid = [shown(name_of(line, hook)) for line, hook in script[len(explanation.steps) - 1 :]]
    if unsaid:
        explanation.notes.append(f"not sent, since the client is refused before: {', '.join(unsaid)}")
    _name_reasons(explanation, rehearsal)
    if arguments.stored is not None and rehearsal.queue.sealed:
        explanation.added, explanation.removed = arguments.stored.difference(rehearsal.queue.header)
    explanation.result = _result(explanation.steps, 1 + len(arguments.to))


def _result(steps: list[Step], commands: int) -> int:
    codes = [step.code for step in steps]
    if any(code >= 500 for code in codes):
        return REFUSED
    said = sum(step.hook in ("mail", "rcpt") for step in steps)
    return DEFERRED if said < commands or any(not 200 <= code < 400 for code in codes) else ACCEPTED


def _name_reasons(explanation: Explanation, rehearsal: Rehearsal) -> None:
    """Complete the explanation: a check that gave no reason gets what configures it as one. Lists the checks that are
    not configured."""
    wanted_by = {name: asks for name, asks in ORDER if name != SITE}
    loaded = {module_of(checker) for checker in (*rehearsal.chain.checkers, *rehearsal.unasked)}
    for name, asks in wanted_by.items():
        if name not in loaded:
            files = (one if one.isupper() else f"control/{one}" for one in asks or ("databytes",))
            explanation.unused[name] = " or ".join(files)
    for step in explanation.steps:
        for answer in step.answers:
            if answer.reason == "RELAYCLIENT":
                answer.reason = _origin("RELAYCLIENT", explanation.verdict)
            elif answer.said in (REFUSES, DEFERS, SHADOWED) and not answer.reason:
                answer.reason = _configured_by(answer, wanted_by.get(answer.name), rehearsal, explanation.verdict)


def _configured_by(answer: Opinion, asks: tuple[str, ...] | None, rehearsal: Rehearsal, verdict: Decision) -> str:
    if asks is None:
        return SITE
    if answer.name == "rcpthosts":
        sources = [rehearsal.session.hosts.locals, *rehearsal.session.hosts.rcpthosts]
        return "not in " + ", ".join(shown(source.path) for source in sources)
    if answer.name == "size":
        asks = ("DATABYTES",) if rehearsal.config.switch("DATABYTES") else ("databytes",)
    names = [name for name in asks if not name.isupper() or rehearsal.config.switch(name)]
    return ", ".join(_origin(name, verdict) for name in names)


def _origin(name: str, verdict: Decision) -> str:
    """What sets a variable or file: `control/FILE`, or `NAME by RULE` or `NAME by the environment`."""
    if not name.isupper():
        return f"control/{name}"
    return f"{name} by {verdict.rule if name.encode() in verdict.variables else 'the environment'}"


def _as_text(explanation: Explanation) -> str:
    lines = []
    verdict = explanation.verdict
    if verdict.rule:
        said = "allows" if verdict.allow else "denies: the connection is closed without a reply"
        lines.append(" ".join([f"{verdict.rule} {said}", *_variables(verdict)]))
    elif verdict.allow and explanation.ruled:
        lines.append("no rule matches this client: it is allowed")
    for step in explanation.steps:
        lines.append(step.command)
        for answer in step.answers:
            reply = f": {shown(answer.reply.line())}" if answer.reply is not None and answer.reply.refuses else ""
            reason = f"  [{answer.reason}]" if answer.reason else ""
            lines.append(f"    {answer.name:<20} {answer.said}{reply}{reason}")
        lines += [f"    log: {line}" for line in step.log]
        lines += [f"    waits {seconds:g} s" for seconds in step.pauses]
        lines.append(f"    -> {step.last_line() or 'no reply'}")
    lines += [f"adds {shown(field)}" for field in explanation.added]
    lines += [f"removes {shown(field)}" for field in explanation.removed]
    if explanation.unused:
        unused = (f"{name} ({asks})" for name, asks in explanation.unused.items())
        lines.append(f"not configured: {', '.join(unused)}")
    return "".join(f"{line}\n" for line in [*lines, *explanation.notes, RESULTS[explanation.result]])


def _variables(verdict: Decision) -> list[str]:
    return [f'{shown(name)}="{shown(value)}"' for name, value in verdict.variables.items()]


def _as_json(explanation: Explanation) -> str:
    verdict = explanation.verdict
    rule = {
        "rule": verdict.rule,
        "allow": verdict.allow,
        "variables": {shown(name): shown(value) for name, value in verdict.variables.items()},
    }
    return (
        json.dumps(
            {
                "rules": rule if verdict.rule else None,
                "steps": [_step_as_json(step) for step in explanation.steps],
                "not_configured": explanation.unused,
                "fields_added": [shown(field) for field in explanation.added],
                "fields_removed": [shown(field) for field in explanation.removed],
                "notes": explanation.notes,
                "result": RESULTS[explanation.result],
            },
            indent=1,
        )
        + "\n"
    )


def _step_as_json(step: Step) -> dict[str, object]:
    checks = [
        {
            "check": answer.name,
            "said": answer.said,
            "reply": shown(answer.reply.line()) if answer.reply is not None and answer.reply.refuses else None,
            "reason": answer.reason or None,
        }
        for answer in step.answers
    ]
    return {
        "command": step.command,
        "checks": checks,
        "log": step.log,
        "pauses": step.pauses,
        "reply": step.last_line(),
        "code": step.code,
    }
