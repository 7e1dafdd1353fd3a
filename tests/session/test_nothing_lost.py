"""Nothing lost, nothing invented: whoever dies, and whenever.

A `250` to the final dot means a message in the queue, complete. What ends before the dot leaves nothing there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from ..support.dialog import Dialog
from ..support.home import Home
from ..support.processes import wait_until

MESSAGE = b"Subject: a walk\r\n\r\nfirst line\r\n..dotted\r\nlast line\r\n"
STORED = b"Subject: a walk\n\nfirst line\n.dotted\nlast line\n"

# Like the queue program of Home, but it says where it is (`at-PLACE` appears) and at the end waits for `go`.
GATED_QUEUE = """#!/usr/bin/python3 -IS
import os, sys, time
home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
def reached(place):
    with open(home + "/at." + place, "w") as f:
        f.write(str(os.getpid()))
    os.rename(home + "/at." + place, home + "/at-" + place)
def rest(fd):
    blocks = []
    while block := os.read(fd, 65536):
        blocks.append(block)
    return b"".join(blocks)
reached("start")
message = rest(0)
envelope = rest(1)
if not (envelope.startswith(b"F") and envelope.endswith(b"\\0\\0")):
    sys.exit(91)
reached("envelope")
end = time.monotonic() + 60
while not os.path.exists(home + "/go") and time.monotonic() < end:
    time.sleep(0.005)
with open(home + "/queued/message", "wb") as f:
    f.write(message)
    f.write(b"\\0" + envelope)
"""


@pytest.fixture
def gated(home: Home) -> Home:
    home.program("qmail-queue", GATED_QUEUE)
    return home


def queue_pid(home: Home, place: str) -> int:
    """The pid of the queue program, once it is there."""
    path = home.path / f"at-{place}"
    wait_until(path.exists, f"the queue program reaches {place}")
    return int(path.read_text())


def let_go(home: Home) -> None:
    (home.path / "go").touch()


def complete(home: Home) -> bool:
    """Whether the message is in the queue; a part of it never is."""
    path = home.path / "queued" / "message"
    if not path.exists():
        return False
    message, _, envelope = path.read_bytes().partition(b"\0")
    assert message.partition(b" -0000\n")[2] == STORED
    assert envelope == b"Fs@sender.example\0Tu@example.org\0Tv@example.org\0\0"
    return True


def promised(smtp: Dialog) -> bool:
    """Whether a 250 to the final dot was heard."""
    return any(reply.startswith("250 ok ") and " qp " in reply for reply in smtp.replies)


# Where the session is when it happens: what was said and answered, and what was then said without waiting

COMMANDS = [
    (None, 220),
    ("EHLO client.example.net", 250),
    ("MAIL FROM:<s@sender.example>", 250),
    ("RCPT TO:<u@example.org>", 250),
    ("RCPT TO:<v@example.org>", 250),
    ("DATA", 354),
]
STAGES = {
    **{f"after {(command or 'the greeting').split(' ')[0]}": (n + 1, b"") for n, (command, _) in enumerate(COMMANDS)},
    "in a command": (2, b"MAIL FROM:<s@sen"),
    "after pipelined commands": (1, b"EHLO x\r\nMAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n"),
    "in the header": (6, MESSAGE[:8]),
    "after the header": (6, MESSAGE[:19]),
    "in the body": (6, MESSAGE[:30]),
    "after the last line": (6, MESSAGE),
    "after the dot, before its line ends": (6, MESSAGE + b"."),
    "after CR": (6, MESSAGE + b".\r"),
    "after much": (6, MESSAGE + b"x" * 300_000),
}
BEFORE_THE_DOT = pytest.mark.parametrize("stage", STAGES)


def walk(smtp: Dialog, stage: str) -> None:
    answered, said = STAGES[stage]
    for command, code in COMMANDS[:answered]:
        smtp.ask(command, code)
    smtp.say(said)


def client_leaves(smtp: Dialog, home: Home) -> None:
    smtp.leave()


def client_says_no_more(smtp: Dialog, home: Home) -> None:
    smtp.half_close()


def filter_is_killed(smtp: Dialog, home: Home) -> None:
    smtp.kill()


def queue_is_killed(smtp: Dialog, home: Home) -> None:
    os.kill(queue_pid(home, "start"), signal.SIGKILL)


Deed = Callable[[Dialog, Home], None]
DEEDS = [client_leaves, client_says_no_more, filter_is_killed]


@BEFORE_THE_DOT
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_what_ends_before_the_dot_leaves_nothing(gated: Home, stage: str, deed: Deed) -> None:
    with Dialog(gated) as smtp:
        walk(smtp, stage)
        let_go(gated)
        deed(smtp, gated)
    assert not complete(gated)
    assert not promised(smtp)
    assert smtp.exit == (-signal.SIGKILL if deed is filter_is_killed else 1)


@pytest.mark.parametrize("stage", [name for name, (answered, _) in STAGES.items() if answered == 6])
def test_a_queue_program_that_is_killed_early(gated: Home, stage: str) -> None:
    """The client may go on to the dot; it is told that the message is not queued, and the session goes on."""
    with Dialog(gated) as smtp:
        walk(smtp, stage)
        queue_is_killed(smtp, gated)
        said = STAGES[stage][1]
        smtp.say(b"\r\n.\r\n" if said.endswith(b"x") else (MESSAGE + b".\r\n")[len(said) :])
        assert smtp.ask(None, 451)
        smtp.ask("NOOP", 250)
        smtp.ask("QUIT", 221)
    assert not complete(gated)
    assert smtp.exit == 0
    assert "message not queued" in smtp.log


@pytest.mark.parametrize("deed", [*DEEDS, None], ids=lambda deed: deed.__name__ if deed else "nothing")
def test_after_the_dot_the_queue_program_decides(gated: Home, deed: Deed | None) -> None:
    """It has the whole envelope and will accept: the message is there, and 250 is told to whoever still listens."""
    with Dialog(gated) as smtp:
        walk(smtp, "after the last line")
        smtp.say(b".\r\n")
        queue_pid(gated, "envelope")
        assert not promised(smtp)
        if deed:
            deed(smtp, gated)
        let_go(gated)
    assert complete(gated)
    assert promised(smtp) is (deed in (None, client_says_no_more))
    if deed is not filter_is_killed:
        assert "message queued" in smtp.log, "a 250 that was attempted is in the log"


def test_a_queue_program_that_is_killed_late(gated: Home) -> None:
    """It had everything and was about to accept."""
    with Dialog(gated) as smtp:
        walk(smtp, "after the last line")
        smtp.say(b".\r\n")
        os.kill(queue_pid(gated, "envelope"), signal.SIGKILL)
        smtp.ask(None, 451)
        smtp.ask("QUIT", 221)
    assert not complete(gated)


def test_a_client_that_does_not_wait_for_the_answer(gated: Home) -> None:
    """All in one write, and away: complete or absent, again and again."""
    let_go(gated)
    everything = "".join(f"{command}\r\n" for command, _ in COMMANDS[1:]).encode() + MESSAGE + b".\r\n"
    outcomes = set()
    for _ in range(12):
        with Dialog(gated) as smtp:
            smtp.say(everything)
            smtp.leave()
        outcomes.add((complete(gated), "message queued" in smtp.log))
        (gated.path / "queued" / "message").unlink(missing_ok=True)
    assert outcomes <= {(True, True), (False, False)}


def test_250_waits_for_the_queue_program(gated: Home) -> None:
    with Dialog(gated) as smtp:
        walk(smtp, "after the last line")
        smtp.say(b".\r\nNOOP\r\n")
        queue_pid(gated, "envelope")
        assert smtp.codes[-1] == 354
        assert not complete(gated)
        let_go(gated)
        smtp.ask(None, 250)
        assert complete(gated)
        smtp.ask(None, 250)


# Queue programs of all kinds

READ_ALL = """
def rest(fd):
    total = b""
    while block := os.read(fd, 65536):
        total += block
    return total
"""


def queue_program(home: Home, body: str) -> None:
    home.program("qmail-queue", "#!/usr/bin/python3 -IS\nimport os, sys, time\n" + READ_ALL + body)


def deliver(home: Home, size: int = 0) -> Dialog:
    with Dialog(home) as smtp:
        walk(smtp, "after the last line")
        smtp.say(b"x" * size + b"\r\n.\r\n")
        smtp.hear()
        smtp.ask("QUIT", 221)
    return smtp


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ("", 1_000_000),
        ("os.close(0)", 1_000_000),
        ("os.read(0, 10)", 1_000_000),
        ("os.close(1); rest(0)", 1_000_000),
    ],
)
def test_success_without_having_read_everything_is_none(home: Home, body: str, size: int) -> None:
    """Exit 0 counts as 54 unless everything could be written. The message is larger than a pipe holds:
    of a smaller one the system does not tell whether it was read."""
    queue_program(home, body + "\nsys.exit(0)")
    smtp = deliver(home, size)
    assert smtp.codes[-2:] == [451, 221]
    assert "message not queued" in smtp.log


def test_a_slow_queue_program(home: Home) -> None:
    """It reads little at a time; the message is larger than any pipe."""
    queue_program(
        home,
        "n = 0\nwhile block := os.read(0, 8000):\n    n += len(block); time.sleep(0.001)\n"
        "e = rest(1)\nsys.exit(0 if n > 500000 and e.endswith(b'\\0\\0') else 71)",
    )
    assert deliver(home, 500_000).codes[-2] == 250


@pytest.mark.parametrize("descriptor", [4, 6])
@pytest.mark.parametrize("size", [0, 300_000], ids=["a small message", "a large one"])
@pytest.mark.parametrize("when", ["before reading", "after reading"])
def test_a_flood_of_error_text(home: Home, descriptor: int, size: int, when: str) -> None:
    """More text than the pipe holds blocks nobody; what is too long is cut, its first letter holds."""
    read, flood = "rest(0)\nrest(1)\n", f"os.write({descriptor}, b'D' + b'x' * 200000)\n"
    queue_program(home, (flood + read if when == "before reading" else read + flood) + "sys.exit(82)")
    assert deliver(home, size).codes[-2] == 554


@pytest.mark.parametrize("descriptor", [4, 6])
@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("Dno such thing (#5.6.0)", "554 no such thing (#5.6.0)"),
        ("Zlater (#4.6.0)", "451 later (#4.6.0)"),
        ("Xwhatever", "451 whatever"),
        ("Dtwo\\r\\n250 lines", "554 two  250 lines"),
        ("D" + "x" * 254, "554 " + "x" * 254),
        ("D" + "x" * 255, "554 " + "x" * 254),
    ],
)
def test_the_text_of_exit_82(home: Home, descriptor: int, text: str, reply: str) -> None:
    queue_program(home, f"rest(0)\nrest(1)\nos.write({descriptor}, b'{text}')\nsys.exit(82)")
    assert deliver(home).replies[-2] == reply


@pytest.mark.parametrize("text", ["", "D", "Dx"])
def test_a_text_that_is_too_short(home: Home, text: str) -> None:
    queue_program(home, f"rest(0)\nrest(1)\nos.write(4, b'{text}')\nsys.exit(82)")
    assert deliver(home).codes[-2] == 451


def test_a_queue_program_that_leaves_a_child_behind(home: Home) -> None:
    """Its child keeps fd 4 open. The exit of the queue program itself is what counts."""
    queue_program(
        home,
        """
rest(0)
rest(1)
if os.fork() == 0:
    end = time.monotonic() + 25
    while not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.005)
    os._exit(0)
sys.exit(0)
""",
    )
    with Dialog(home) as smtp:
        walk(smtp, "after the last line")
        smtp.say(b".\r\n")
        smtp.ask(None, 250)
        let_go(home)
        smtp.ask("QUIT", 221)
