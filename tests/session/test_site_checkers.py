"""A checker of a site's own: a file in HOME/checkers, a line in control/smtpcheckers, and nothing more."""

from __future__ import annotations

import ast

import pytest

from qmail_smtpd.checker import HOOKS

from ..support.dialog import transcript
from ..support.home import Home, codes
from ..support.processes import ROOT
from ..support.site_checker import write as checker

DELIVERY = """
    C: EHLO client.example.net
    C: MAIL FROM:<s@sender.example>
    C: RCPT TO:<u@example.org>
    C: DATA
    C: Subject: x
    C:
    C: body
    C: .
    C: QUIT
"""
SAID = transcript(DELIVERY)[0]
DELIVERED = [220, 250, 250, 250, 354, 250, 221]


def test_ten_lines(home: Home) -> None:
    """A recipient that is never there on Sundays."""
    checker(
        home,
        """
def rcpt(self, session, event):
    if event.address == b"sexton@example.org":
        return defer(b"in church")
""",
    )
    said, expected = transcript("""
        S: 220
        C: MAIL FROM:<s@sender.example>
        S: 250
        C: RCPT TO:<sexton@example.org>
        S: 451
        C: RCPT TO:<u@example.org>
        S: 250
        C: QUIT
        S: 221
    """)
    session = home.smtp(said)
    assert codes(session.stdout) == expected
    assert b"451 in church (#4.3.0)" in session.stdout


@pytest.mark.parametrize(
    ("verdict", "reply"),
    [
        ("reject()", b"553 not here (#5.7.1)"),
        ("reject(b'no', 554, b'5.6.0')", b"554 no (#5.6.0)"),
        ("defer()", b"451 try again later (#4.3.0)"),
        ("defer(b'later', 450, b'4.2.0')", b"450 later (#4.2.0)"),
        ("reject(b'two\\r\\n250 lines')", b"553 two  250 lines (#5.7.1)"),
        ("reject(b'x' * 2000)", b"553 " + b"x" * 497 + b" (#5.7.1)"),
    ],
)
@pytest.mark.parametrize("hook", ["mail", "rcpt", "data", "message", "helo"])
def test_a_refusal_at_every_hook(home: Home, hook: str, verdict: str, reply: bytes) -> None:
    checker(home, f"def {hook}(self, session, event):\n    return {verdict}")
    session = home.smtp(SAID)
    assert b"\r\n" + reply + b"\r\n" in session.stdout
    assert codes(session.stdout)
    assert not home.queued() or hook == "helo"


def test_a_refused_greeting_leaves_only_quit(home: Home) -> None:
    checker(home, "def connect(self, session, event):\n    return reject(b'not you', 554)")
    session = home.smtp("EHLO x\r\nMAIL FROM:<s@sender.example>\r\nQUIT\r\n")
    assert codes(session.stdout) == [554, 503, 503, 221]


@pytest.mark.parametrize("hook", ["helo", "mail", "rcpt", "data", "message"])
def test_a_hangup_is_the_last_word(home: Home, hook: str) -> None:
    checker(home, f"def {hook}(self, session, event):\n    return hangup(b'enough')")
    session = home.smtp(SAID)
    assert codes(session.stdout)[-1] == 554
    assert session.stdout.endswith(b"554 enough (#5.7.1)\r\n")
    assert session.returncode == 1
    assert not home.queued()


def test_a_recipient_welcomed_by_the_site(home: Home) -> None:
    checker(
        home,
        "def rcpt(self, session, event):\n    return accept() if event.address.endswith(b'@new.example') else None",
    )
    rcpts = "RCPT TO:<u@new.example>\r\nRCPT TO:<u@evil.example>\r\n"
    said = f"MAIL FROM:<s@sender.example>\r\n{rcpts}DATA\r\nx\r\n.\r\nQUIT\r\n"
    assert codes(home.smtp(said).stdout) == [220, 250, 250, 553, 354, 250, 221]
    assert home.queued()[0].recipients == ["u@new.example"]


def test_what_is_welcome_can_still_be_refused(home: Home) -> None:
    """accept() is no last word: checks that come later, and those before, have theirs."""
    home.control("badrcptto", "u@new.example\n")
    checker(home, "def rcpt(self, session, event):\n    return accept()")
    said = "MAIL FROM:<>\r\nRCPT TO:<u@new.example>\r\nRCPT TO:<v@new.example>\r\nRCPT TO:<w@new.example>\r\nQUIT\r\n"
    assert codes(home.smtp(said).stdout) == [220, 250, 553, 250, 550, 221]


def test_words_of_its_line(home: Home) -> None:
    checker(
        home,
        "def __init__(self, words):\n    self.words = words\n"
        "def mail(self, session, event):\n    return reject(' '.join(self.words).encode())",
        "def setup(config, *words):\n    return Site(words)\n",
    )
    home.control("smtpcheckers", "ours  one\ttwo three  \n")
    assert b"553 one two three (#5.7.1)" in home.smtp("MAIL FROM:<s@sender.example>\r\n").stdout


def test_two_checkers_in_the_order_of_their_lines(home: Home) -> None:
    checker(home, "def mail(self, session, event):\n    return reject(b'first')")
    (home.path / "checkers" / "other.py").write_text(
        (home.path / "checkers" / "ours.py").read_text().replace("first", "second")
    )
    for lines, text in (("ours\nother\n", b"first"), ("other\nours\n", b"second")):
        home.control("smtpcheckers", lines)
        assert b"553 " + text in home.smtp("MAIL FROM:<s@sender.example>\r\n").stdout


def test_a_module_of_a_package(home: Home) -> None:
    checker(home, "def mail(self, session, event):\n    return reject(b'from a package')")
    package = home.path / "checkers" / "place"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (home.path / "checkers" / "ours.py").rename(package / "ours.py")
    home.control("smtpcheckers", "place.ours\n")
    assert b"553 from a package" in home.smtp("MAIL FROM:<s@sender.example>\r\n").stdout


def test_one_that_has_nothing_to_do(home: Home) -> None:
    checker(home, "def mail(self, session, event):\n    return reject()", "def setup(config):\n    return None\n")
    assert codes(home.smtp(SAID).stdout) == DELIVERED


def test_it_adds_a_header(home: Home) -> None:
    checker(home, "def rcpt(self, session, event):\n    session.transaction.headers.append(b'X-Site: seen\\n')")
    assert codes(home.smtp(SAID).stdout) == DELIVERED
    assert home.queued()[0].message.startswith(b"X-Site: seen\nReceived: from ")


def test_it_sees_the_message(home: Home) -> None:
    checker(
        home,
        """
def data(self, session, event):
    self.size = 0
def block(self, session, event):
    self.size += len(event.block)
def message(self, session, event):
    return reject(b"%d bytes, %d counted" % (event.size, self.size))
""",
    )
    session = home.smtp(SAID)
    assert b"553 17 bytes, 17 counted (#5.7.1)" in session.stdout
    assert not home.queued()


def test_it_knows_the_transaction_at_the_end_of_the_message(home: Home) -> None:
    checker(
        home,
        """
def message(self, session, event):
    return reject(session.transaction.sender + b" to " + session.transaction.recipients[0])
""",
    )
    assert b"553 s@sender.example to u@example.org (#5.7.1)" in home.smtp(SAID).stdout
    assert not home.queued()


def test_it_learns_of_refused_recipients_unknown_commands_and_the_end(home: Home) -> None:
    home.control("badrcptto", "bad@example.org\n")
    checker(
        home,
        """
def rcpt(self, session, event):
    self.log = session.log
    return reject("mine") if event.address == b"x@example.org" else None
def rcpt_refused(self, session, event):
    session.log.write(0, b"refused: " + event.address)
def unknown(self, session, event):
    session.log.write(0, b"unknown: " + event.line)
    return reject("go", code=500) if event.line == b"BREW /" else None
def ended(self):
    self.log.write(0, b"over")
""",
    )
    said = "BREW /\r\nFOO\r\nMAIL FROM:<>\r\nRCPT TO:<bad@example.org>\r\nRCPT TO:<x@example.org>\r\n"
    said += "RCPT TO:<y@example.net>\r\nRCPT TO:<good@example.org>\r\nQUIT\r\n"
    session = home.smtp(said, LOGLEVEL="1")
    assert codes(session.stdout) == [220, 500, 502, 250, 553, 553, 553, 250, 221]
    assert b"unknown: BREW /\n" in session.stderr and b"unknown: FOO\n" in session.stderr
    assert [line.rpartition(b" ")[2] for line in session.stderr.split(b"\n") if b" refused: " in line] == [
        b"bad@example.org",
        b"x@example.org",
        b"y@example.net",
    ]
    assert session.stderr.endswith(b"over\n")


def test_it_learns_whether_its_refusal_stands(home: Home) -> None:
    """`refused` is the place for what goes with a refusal; in the SHADOW there is none."""
    checker(
        home,
        """
def mail(self, session, event):
    return reject()
def refused(self, session, event, reply):
    session.log.write(0, b"out with " + event.address + b": " + reply.line())
""",
    )
    said = "MAIL FROM:<s@sender.example>\r\nQUIT\r\n"
    assert b"out with s@sender.example: 553 not here (#5.7.1)" in home.smtp(said, LOGLEVEL="1").stderr
    assert b"out with" not in home.smtp(said, LOGLEVEL="1", SHADOW="ours").stderr


# Trouble


def told(log: bytes) -> bytes:
    """The log without anything that would be a traceback's."""
    assert b"Traceback" not in log, log
    return log


@pytest.mark.parametrize(
    "error",
    [
        "RuntimeError('broken')",
        "KeyError(b'\\xff')",
        "OSError(5, 'broken')",
        "MemoryError()",
        "SystemExit(0)",
        "RecursionError()",
        "UnicodeDecodeError('ascii', b'', 0, 1, 'broken')",
        "SystemError('broken')",
    ],
)
@pytest.mark.parametrize("hook", ["mail", "rcpt", "data", "message"])
def test_one_that_raises_defers(home: Home, hook: str, error: str) -> None:
    """Trouble never lets mail in: 451, a log line that names the checker, and the session goes on."""
    checker(home, f"def {hook}(self, session, event):\n    raise {error}")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert 451 in codes(session.stdout)
    assert codes(session.stdout)[-1] == 221
    assert b"checker ours" in told(session.stderr)
    assert hook.encode() in session.stderr
    assert not home.queued()
    assert session.returncode == 0


@pytest.mark.parametrize("hook", ["connect", "helo"])
def test_one_that_raises_before_mail(home: Home, hook: str) -> None:
    checker(home, f"def {hook}(self, session, event):\n    raise RuntimeError('broken')")
    session = home.smtp("EHLO x\r\nQUIT\r\n", LOGLEVEL="1")
    assert codes(session.stdout)[0 if hook == "connect" else 1] == 451
    assert b"checker ours failed at " + hook.encode() in told(session.stderr)


def test_one_that_raises_while_the_message_comes(home: Home) -> None:
    checker(home, "def block(self, session, event):\n    raise RuntimeError('broken')")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout) == [220, 250, 250, 250, 354, 451, 221]
    assert b"checker ours failed at block" in told(session.stderr)
    assert not home.queued()


def test_one_that_raises_when_it_should_let_go(home: Home) -> None:
    """Nobody is waiting for an answer from it: logged, and no message is lost by it."""
    checker(home, "def mail(self, session, event):\n    pass\ndef release(self):\n    raise RuntimeError('broken')")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout) == DELIVERED
    assert b"broken" in told(session.stderr)
    assert len(home.queued()) == 1


@pytest.mark.parametrize("value", ["True", "250", "'250 ok'", "object()", "Reply(354, b'go')", "Reply(50, b'x')"])
def test_one_that_answers_nonsense(home: Home, value: str) -> None:
    checker(home, f"def mail(self, session, event):\n    return {value}")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout)[2] in (421, 451)
    assert not home.queued()
    told(session.stderr)


@pytest.mark.parametrize("hook", ["mail", "rcpt", "message"])
def test_an_advisory_one_that_raises_is_passed_over(home: Home, hook: str) -> None:
    checker(home, f"advisory = True\ndef {hook}(self, session, event):\n    raise RuntimeError('broken')")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout) == DELIVERED
    assert b"checker ours failed at " + hook.encode() in told(session.stderr)


@pytest.mark.parametrize(
    "source",
    [
        "def setup(config:\n",
        "import nothing_of_that_name\n",
        "x = 1 / 0\n",
        "",
        "def setup():\n    pass\n",
        "def setup(config):\n    raise ValueError('broken')\n",
        "\0",
        "raise SystemExit\n",
        "class Ours:\n    def mail(self, session, event):\n        pass\ndef setup(config):\n    return Ours()\n",
    ],
    ids=["syntax", "import", "at import", "no setup", "wrong setup", "setup raises", "NUL", "exits", "no Checker"],
)
def test_one_that_cannot_be_loaded_defers(home: Home, source: str) -> None:
    (home.path / "checkers").mkdir()
    (home.path / "checkers" / "ours.py").write_text(source)
    home.control("smtpcheckers", "ours\n")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout)[:3] == [220, 250, 451]
    assert b"checker ours cannot be loaded" in told(session.stderr)
    assert not home.queued()


def test_one_that_is_not_there_defers(home: Home) -> None:
    home.control("smtpcheckers", "no_such_checker\n")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout)[:3] == [220, 250, 451]
    assert b"no_such_checker" in told(session.stderr)


@pytest.mark.parametrize("line", ["\x0b", "\x0c \r"])
def test_a_line_that_names_nothing_defers(home: Home, line: str) -> None:
    home.control("smtpcheckers", line + "\n")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout)[:3] == [220, 250, 451]
    assert b"cannot be loaded: ValueError: the line names no module" in told(session.stderr)


def test_one_that_waits_too_long_while_the_message_comes(home: Home) -> None:
    """The end of the session is no trouble of the checker."""
    home.control("sessiontimeout", "1\n")
    checker(home, "def block(self, session, event):\n    session.pause(60)")
    session = home.smtp(SAID, LOGLEVEL="1")
    assert codes(session.stdout) == [220, 250, 250, 250, 354, 421]
    assert b"failed" not in told(session.stderr)
    assert session.returncode == 1
    assert not home.queued()


def test_the_template_works_as_it_is(home: Home) -> None:
    (home.path / "checkers").mkdir()
    template = ROOT / "qmail_smtpd" / "checkers" / "_template.py"
    (home.path / "checkers" / "ours.py").write_text(template.read_text())
    home.control("smtpcheckers", "ours\n")
    assert codes(home.smtp(SAID).stdout) == DELIVERED


def test_the_template_documents_every_hook() -> None:
    """What the program calls by name is a hook; and each hook stands in the template, with a sentence about it."""
    called = set()
    for path in (ROOT / "qmail_smtpd" / "session").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("run", "ask"):
                called |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    tree = ast.parse((ROOT / "qmail_smtpd" / "checkers" / "_template.py").read_text())
    documented = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and ast.get_docstring(n)}
    assert {"connect", "helo", "auth", "mail", "rcpt", "data", "message"} <= called <= set(HOOKS)
    assert {*HOOKS, "setup"} <= documented


def test_a_name_that_python_has_too(home: Home) -> None:
    """HOME/checkers/json.py is meant by `json`, not Python's."""
    folder = home.path / "checkers"
    folder.mkdir(exist_ok=True)
    (folder / "json.py").write_text(
        "from qmail_smtpd.checker import Checker, reject\n"
        "class Ours(Checker):\n    def mail(self, session, event):\n        return reject('ours')\n"
        "def setup(config):\n    return Ours()\n"
    )
    home.control("smtpcheckers", "json\n")
    assert b"553 ours" in home.smtp("MAIL FROM:<a@b.example>\r\nQUIT\r\n").stdout
