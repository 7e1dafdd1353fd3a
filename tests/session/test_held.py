"""Held messages in whole sessions (SPEC section 14): a check sees the message, edits it, then it is queued, or not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail_smtpd import checkers
from qmail_smtpd.checker import Checker

from ..support import site_checker
from ..support.dialog import transcript
from ..support.held_site import (
    DELIVERED,
    ENVELOPE,
    LARGE,
    LOOKS,
    SAID,
    STORED,
    holds,
    queued,
    smtp,
    told,
    untraced,
)
from ..support.home import Home, codes
from ..support.inprocess import converse
from ..support.processes import ROOT
from ..support.site_checker import write

# A check that looks


def test_what_a_check_sees_is_what_is_queued(home: Home) -> None:
    write(home, LOOKS)
    session = smtp(home)
    assert codes(session.stdout) == DELIVERED
    body = b"first line\n.dotted\n"
    facts = ([(b"Subject", b" a walk"), (b"X", b" 1\n 2")], len(STORED), body, body)
    assert repr(facts).replace("\\", "\\134").encode() in session.stderr
    assert untraced(queued(home).message) == b"<>\n" + STORED
    assert (queued(home).sender, queued(home).recipients) == ("s@sender.example", ["u@example.org", "v@example.org"])


@pytest.mark.parametrize("verdict", ["reject(b'spam', 550)", "defer()", "hangup()", "1 / 0", "transaction.no_such"])
def test_a_message_that_is_refused_never_meets_the_queue_program(home: Home, verdict: str) -> None:
    home.program("qmail-queue", "#!/bin/sh\ntouch started\n")
    holds(home, f"return {verdict}")
    assert codes(smtp(home).stdout)[5] in (550, 451, 554)
    assert not (home.path / "started").exists()


def test_the_next_message_is_another_one(home: Home) -> None:
    holds(home, "edits.add_top(b'X-First', transaction.held.fields[0][1])")
    smtp(home, SAID.replace("QUIT\r\n", "") + SAID.replace("a walk", "two"))
    subjects = [message.message.partition(b"\n")[0] for message in home.queued()]
    assert sorted(subjects) == [b"X-First: a walk", b"X-First: two"]


LINES = st.lists(st.sampled_from([b"A: b", b" c", b"", b"no field", b"..", b"\0\xff", b"x" * 3000, b"\r"]), max_size=12)


class Looks(Checker):
    name = "looks"
    holds = True

    def message(self, session: object, event: object) -> None:
        held = session.transaction.held  # type: ignore[attr-defined]
        self.seen = (held.fields, b"".join(held.body()))


@given(LINES, st.integers(1, 9))
def test_it_is_queued_as_if_nobody_had_looked(lines: list[bytes], pieces: int) -> None:
    said = ENVELOPE.encode() + b"".join(line + b"\r\n" for line in lines) + b".\r\nQUIT\r\n"
    step = len(said) // pieces + 1
    parts = [said[at : at + step] for at in range(0, len(said), step)]
    streamed = converse(parts)
    with pytest.MonkeyPatch.context() as patch:
        usual = checkers.configured
        patch.setattr(checkers, "configured", lambda config, log: [*usual(config, log), Looks()])
        held = converse(parts)
    assert codes(held.output) == codes(streamed.output)
    dated = [message.text.partition(b" -0000\n")[2] for message in (held.queued[0], streamed.queued[0])]
    assert dated[0] == dated[1]
    assert held.queued[0].envelope == streamed.queued[0].envelope


def test_messages_that_nobody_asks_to_see_stream(home: Home) -> None:
    """A check with `message` alone gets none of it, and nothing is imported for it."""
    write(
        home,
        """
def message(self, session, event):
    import sys
    there = [name for name in sys.modules if name.startswith("qmail_smtpd") and ("held" in name or "spool" in name)]
    transaction = session.transaction
    session.log.write(0, repr((there, transaction.held, transaction.edits, transaction.holding)).encode())
""",
    )
    session = smtp(home)
    assert codes(session.stdout) == DELIVERED
    assert b"([], None, None, None)" in session.stderr


def test_a_check_may_decide_at_data_whether_it_wants_to_see_it(home: Home) -> None:
    write(home, LOOKS + "def data(self, session, event):\n    self.holds = session.transaction.bounce")
    write(home, "def message(self, session, event):\n    pass", name="other")
    home.control("smtpcheckers", "ours\n")
    said = SAID.replace("<s@sender.example>", "<>").replace("RCPT TO:<v@example.org>\r\n", "")
    assert b"Subject" in smtp(home, said).stderr
    assert told(smtp(home)).startswith(b"451 "), "it looks for what it has not asked for"


# Edits


def test_the_order_of_what_is_stored(home: Home) -> None:
    write(home, "def mail(self, session, event):\n    session.transaction.headers.append(b'X-RBL: no\\n')", name="rbl")
    holds(
        home,
        """
edits.add_top(b"X-Top", b" 1")
edits.add_top(b"X-Top", b" 2")
edits.insert(1, b"X-Below", b" 3")
edits.change(b"x", 1, b" 4")
edits.add(b"X-End", b" 5")
""",
    )
    smtp(home)
    assert untraced(queued(home).message) == (
        b"X-Top: 2\nX-Top: 1\nX-RBL: no\n<>\nX-Below: 3\nSubject: a walk\nx: 4\nX-End: 5\n\nfirst line\n.dotted\n"
    )


def test_another_body(home: Home) -> None:
    holds(home, "edits.replace_body(block.upper() for block in transaction.held.body())")
    smtp(home)
    assert untraced(queued(home).message) == b"<>\nSubject: a walk\nX: 1\n 2\n\nFIRST LINE\n.DOTTED\n"


def test_another_envelope(home: Home) -> None:
    holds(
        home,
        """
edits.sender(b"other@sender.example")
edits.remove_recipient(b"u@example.org")
edits.add_recipient(b"w@example.net")
""",
    )
    smtp(home)
    assert (queued(home).sender, queued(home).recipients) == (
        "other@sender.example",
        ["v@example.org", "w@example.net"],
    )
    assert b"(envelope-sender <s@sender.example>)" in queued(home).message, "the trace is of what was received"


def test_each_check_sees_what_the_ones_before_it_have_made(home: Home) -> None:
    holds(home, "edits.delete(b'X', 1); edits.replace_body([b'new\\n']); edits.sender(b'n@sender.example')", "one")
    holds(
        home,
        "edits.add(b'Seen', repr((transaction.held.fields, transaction.held.size, list(transaction.held.body()),"
        " transaction.sender)).encode())",
        "two",
    )
    smtp(home)
    size = len(b"Subject: a walk\n\nnew\n")
    facts = ([(b"Subject", b" a walk")], size, [b"new\n"], b"n@sender.example")
    assert b"\nSeen:" + repr(facts).encode() + b"\n\nnew\n" in queued(home).message


FAILS = {
    "raises": "raise RuntimeError('half way')",
    "dies in mid-replace": "edits.replace_body(1 // int(x) for x in '1110')",
    "answers nonsense": "return 250",
    "cannot be a field": "edits.add(b'no field', b'')",
    "cannot be an address": "edits.sender(b'a\\0b')",
}


@pytest.mark.parametrize("trouble", FAILS.values(), ids=FAILS)
def test_edits_of_a_check_that_fails_are_dropped_whole(home: Home, trouble: str) -> None:
    """An advisory one lets the message pass, and it is the message that was sent."""
    made = "edits.add_top(b'X-Mine', b''); edits.replace_body([b'half'])\nedits.discard()\n"
    holds(home, made + trouble)
    assert told(smtp(home)).startswith(b"451 ")
    assert home.queued() == []
    holds(home, made + trouble, advisory=True)
    assert told(smtp(home)).startswith(b"250 ")
    assert untraced(queued(home).message) == b"<>\n" + STORED


def test_in_the_shadow_a_check_is_asked_and_changes_nothing(home: Home) -> None:
    holds(home, "edits.add_top(b'X-Mine', b' 1'); edits.discard()\nreturn reject() if not transaction.bounce else None")
    session = smtp(home, SHADOW="ours")
    assert untraced(queued(home).message) == b"<>\n" + STORED
    assert b"shadow ours would refuse: 553 not here" in session.stderr
    bounce = SAID.replace("<s@sender.example>", "<>").replace("RCPT TO:<v@example.org>\r\n", "")
    session = smtp(home, bounce, SHADOW="ours")
    assert b"shadow ours would edit: add top X-Mine: 1" in session.stderr
    assert b"shadow ours would edit: discard" in session.stderr
    assert [untraced(message.message) for message in home.queued()] == [b"<>\n" + STORED] * 2


@pytest.mark.parametrize(
    "edits",
    ["edits.discard()", "edits.remove_recipient(b'u@example.org'); edits.remove_recipient(b'v@example.org')"],
    ids=["asked for", "no recipient is left"],
)
def test_a_discarded_message_is_accepted_and_goes_nowhere(home: Home, edits: str) -> None:
    home.program("qmail-queue", "#!/bin/sh\ntouch started\n")
    holds(home, edits)
    holds(home, "return reject()", "later")
    session = smtp(home)
    assert codes(session.stdout) == DELIVERED
    assert told(session).startswith(b"250 ok ") and b" qp " in told(session)
    assert not (home.path / "started").exists()
    assert b"message discarded by ours: from <s@sender.example> size 44 bytes" in session.stderr
    lines = [json.loads(line) for line in smtp(home, LOGFORMAT="json").stderr.splitlines()]
    (message,) = [line for line in lines if line["event"] == "message"]
    assert (message["queued"], message["discarded"], message["size"]) == (False, "ours", 44)
    assert message["recipients"] == ["u@example.org", "v@example.org"]


@pytest.mark.parametrize("hook", ["mail", "rcpt", "data"])
def test_a_message_that_was_discarded_before_it_came(home: Home, hook: str) -> None:
    """Whoever would look at it is not asked."""
    home.program("qmail-queue", "#!/bin/sh\ntouch started\n")
    write(home, f"def {hook}(self, session, event):\n    session.transaction.discarded = self.name", name="early")
    holds(home, "return reject()")
    session = smtp(home, ENVELOPE + LARGE + ".\r\nQUIT\r\n", TMPDIR="/no/such/folder")
    assert codes(session.stdout) == DELIVERED
    assert b"message discarded by early" in session.stderr
    assert not (home.path / "started").exists()


# All of it


def test_the_transcript_of_a_check_that_edits(home: Home) -> None:
    holds(home, "edits.add_top(b'X-Seen', b' yes')\nreturn None if event.size < 60 else reject(b'too long', 550)")
    said, expected = transcript("""
        S: 220
        C: EHLO client.example.net
        S: 250
        C: MAIL FROM:<s@sender.example>
        S: 250
        C: RCPT TO:<u@example.org>
        S: 250
        C: DATA
        S: 354
        C: Subject: a walk through the hills, and what was to be seen
        C:
        C: much
        C: .
        S: 550
        C: DATA
        S: 503
        C: MAIL FROM:<s@sender.example>
        S: 250
        C: RCPT TO:<u@example.org>
        S: 250
        C: DATA
        S: 354
        C: .
        S: 250
        C: QUIT
        S: 221
    """)
    session = smtp(home, said)
    assert codes(session.stdout) == expected
    assert untraced(queued(home).message) == b"X-Seen: yes\n<>\n\n"


def test_the_example_of_the_readme(home: Home) -> None:
    text = (ROOT / "README.md").read_text()
    examples = [block.partition("```")[0] for block in text.split("```python\n")[1:]]
    site_checker.install(home, next(example for example in examples if "holds" in example), "lottery")
    smtp(home)
    smtp(home, SAID.replace("first line", "You have WON! Yes, you HAVE won a walk"))
    message, marked = [untraced(message.message) for message in home.queued()]
    assert message == b"<>\n" + STORED
    assert marked.startswith(b"X-Lottery: yes\n<>\nSubject: [lottery] a walk\nX: 1\n")


def test_the_example_of_the_manual(home: Home) -> None:
    page = (ROOT / "man" / "qmail-smtpd-checkers.7").read_text()
    examples = [block.partition(".Ed")[0] for block in page.split(".Bd -literal -offset indent\n")[1:]]
    site_checker.install(home, next(example for example in examples if "holds" in example), "signed")
    smtp(home)
    assert untraced(queued(home).message) == b"X-Body-Size: 19\n<>\n" + STORED
