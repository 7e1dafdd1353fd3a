"""Sessions with a check that holds the message: what the client sends, and helpers for the results."""

from __future__ import annotations

import subprocess

from .home import Home, Queued
from .site_checker import write

ENVELOPE = "MAIL FROM:<s@sender.example>\r\nRCPT TO:<u@example.org>\r\nRCPT TO:<v@example.org>\r\nDATA\r\n"
MESSAGE = "Subject: a walk\r\nX: 1\r\n 2\r\n\r\nfirst line\r\n..dotted\r\n"
STORED = b"Subject: a walk\nX: 1\n 2\n\nfirst line\n.dotted\n"
SAID = ENVELOPE + MESSAGE + ".\r\nQUIT\r\n"
DELIVERED = [220, 250, 250, 250, 354, 250, 221]
LARGE = "Subject: large\r\n\r\n" + ("x" * 998 + "\r\n") * 600  # a file is made for it

LOOKS = """
holds = True
def message(self, session, event):
    held = session.transaction.held
    facts = (held.fields, held.size, b"".join(held.body()), b"".join(held.body()))
    session.log.write(0, repr(facts).encode())
"""
HOOK = """
holds = True
advisory = {advisory}
def message(self, session, event):
    transaction, edits = session.transaction, session.transaction.edits
{body}
"""


def holds(home: Home, edits: str, name: str = "ours", advisory: bool = False) -> None:
    """A check that holds; `edits` are the lines of its hook."""
    body = "".join(f"    {line}\n" for line in edits.strip("\n").splitlines())
    write(home, HOOK.format(advisory=advisory, body=body), name=name)


def smtp(home: Home, said: str = SAID, **env: str) -> subprocess.CompletedProcess[bytes]:
    session = home.smtp(said, **{"LOGLEVEL": "1", **env})
    assert b"Traceback" not in session.stderr, session.stderr
    return session


def told(session: subprocess.CompletedProcess[bytes]) -> bytes:
    """The reply to the final dot."""
    return session.stdout.split(b"\r\n")[-3]


def queued(home: Home) -> Queued:
    (message,) = home.queued()
    return message


def untraced(message: bytes) -> bytes:
    """The message with <> in place of our Received field."""
    before, _, rest = message.partition(b"Received: from client.example.net")
    return before + b"<>\n" + rest.partition(b" -0000\n")[2]
