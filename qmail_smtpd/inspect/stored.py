"""A message in a file, for a rehearsal: the bytes that a client would send, and the client and envelope that its fields
show.

The topmost Received field of ours (smtp/received.py) has client, sender and first recipient; without one Return-Path
has the sender. Line ends may be LF or CRLF. A first line that begins with `From ` is that of an mbox and left out.
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
    """`told` is what the fields show: ip, host, info, helo, sender, to, as far as they do. Raises OSError."""

    def __init__(self, path: str) -> None:
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
        """The message as it is sent, with its final dot."""
        stuffed = (b"\n" + self.text).replace(b"\n.", b"\n..")[1:]
        return stuffed.replace(b"\n", b"\r\n") + b".\r\n"

    def difference(self, header: bytes) -> tuple[list[bytes], list[bytes]]:
        """The fields that `header` has and this message has not, and the reverse, in order. What follows the header, if
        anything, is ignored."""
        before, after = fields(self.header), fields(_header(header))
        return _without(after, before), _without(before, after)


def _header(text: bytes) -> bytes:
    found = HEADER.match(text)
    return found.group() if found else b""


def fields(header: bytes) -> list[bytes]:
    """The fields of a header, unfolded."""
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
