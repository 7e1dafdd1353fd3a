"""A message in a file, for a rehearsal: what a client would say, and what its fields tell of the envelope it had.

The topmost Received of ours (smtp/received.py) names client, sender and first recipient; Return-Path is the sender
where there is none. Line ends may be LF or CRLF, a line `From ` at the top is mbox's and not part of it.
"""

from __future__ import annotations

import re

OURS = re.compile(
    rb"^Received: from (?P<host>\S+)(?: \(HELO (?P<helo>\S*)\))? \((?:(?P<info>\S*)@)?\[(?P<ip>[^\]\s]+)\]\)\s+"
    rb"\(envelope-sender <(?P<sender>[^>\s]*)>\)\s+by [^\n]*\n\s+for <(?P<to>[^>\s]*)>",
    re.MULTILINE,
)
HEADER = re.compile(rb"(?:[!-9;-~]+[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*)*")  # as session/held.py has it
RETURN_PATH = re.compile(rb"^Return-Path:[ \t]*<(?P<sender>[^>\n]*)>", re.MULTILINE | re.IGNORECASE)


class Stored:
    """`told` is what the fields tell: ip, host, info, helo, sender, to; what they do not is missing."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        with open(path, "rb") as file:
            text = file.read().replace(b"\r\n", b"\n")
        if text.startswith(b"From "):
            text = text.partition(b"\n")[2]
        self.text = text if text.endswith(b"\n") else text + b"\n"
        self.header = _header(self.text)
        found = OURS.search(self.header) or RETURN_PATH.search(self.header)
        told = found.groupdict() if found else {}
        if told.get("host") == b"unknown":
            del told["host"]
        self.told = {name: value.decode("latin1") for name, value in told.items() if value is not None}

    def said(self) -> bytes:
        """As it goes over the wire, the end of the message included."""
        stuffed = (b"\n" + self.text).replace(b"\n.", b"\n..")[1:]
        return stuffed.replace(b"\n", b"\r\n") + b".\r\n"

    def difference(self, header: bytes) -> tuple[list[bytes], list[bytes]]:
        """The fields that a header has more than ours, and those that it has not, each in order."""
        before, after = fields(self.header), fields(_header(header))
        return _without(after, before), _without(before, after)


def _header(text: bytes) -> bytes:
    found = HEADER.match(text)
    return found.group() if found else b""


def fields(header: bytes) -> list[bytes]:
    """Unfolded, one for each."""
    return re.sub(rb"\n[ \t]+", b" ", header).splitlines()


def _without(lines: list[bytes], others: list[bytes]) -> list[bytes]:
    left = list(others)
    kept = []
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            kept.append(line)
    return kept
