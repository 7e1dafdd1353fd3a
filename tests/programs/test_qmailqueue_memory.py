"""What handing over a message takes of our memory: always the same, however it comes (SPEC section 6)."""

from __future__ import annotations

import os
import subprocess
import tracemalloc

import pytest

from qmail_smtpd.programs import qmailqueue
from qmail_smtpd.programs.qmailqueue import envelope

from ..support.home import Home, codes
from ..support.processes import BIN, DEADLINE, program

SINK = "#!/bin/sh\ncat > /dev/null; cat <&1 > /dev/null\n"


def test_tiny_pieces_take_no_more_memory_than_they_have_bytes(home: Home) -> None:
    """A client may send two bytes at a time; as objects of their own they would take twenty times as much."""
    path = home.program("qmail-queue", SINK)
    queue = qmailqueue.start(os.fsencode(path), {b"PATH": b"/usr/bin:/bin"})
    tracemalloc.start()
    try:
        for number in range(qmailqueue.FULL):
            queue.write(b"%02d" % (number % 100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert queue.finish(envelope(b"s", [b"r"])) == (0, b"")
    assert peak < 4 * qmailqueue.FULL


@pytest.mark.unmeasured
def test_a_large_message_within_the_documented_limit(home: Home) -> None:
    """README: a plain session needs 16 MB, whatever the size of the message."""
    home.program("qmail-queue", SINK)
    home.smtp("QUIT\r\n")  # the first session after a change of the sources writes the bundle
    message = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * (3 * qmailqueue.LARGE // 78) + b".\r\nQUIT\r\n"
    done = subprocess.run(
        [program("prlimit"), "--as=16000000", "--data=7000000", str(BIN / "qmail-smtpd")],
        input=b"MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nDATA\r\n" + message,
        env=home.env(),
        capture_output=True,
        timeout=DEADLINE,
    )
    assert codes(done.stdout) == [220, 250, 250, 354, 250, 221], done.stderr
