"""A simple and slow receiver of messages that reads byte by byte, to compare the program with.

receive(data)    a Message, or Trouble, or Unfinished
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_HEADER = 10_000


@dataclass
class Message:
    """A message as it is stored, and the input behind its end."""

    text: bytes
    rest: bytes


@dataclass
class Trouble:
    """The code that ends the connection."""

    code: int


@dataclass
class Unfinished:
    """The end of the message has not come."""


def receive(data: bytes) -> Message | Trouble | Unfinished:
    """SPEC section 6, line by line: a line ends at CRLF; LF without CR is trouble; a line `.` ends the message; one
    leading dot goes, but not from a line that goes on with CR after it."""
    stored, line, in_header = b"", b"", True
    for position, number in enumerate(data):
        byte = bytes([number])
        line += byte
        if byte != b"\n":
            if in_header and len(line) > LONGEST_HEADER:
                return Trouble(500)
            continue
        if in_header and len(line) > LONGEST_HEADER:
            return Trouble(500)
        if not line.endswith(b"\r\n"):
            return Trouble(451)
        if line == b".\r\n":
            return Message(stored, data[position + 1 :])
        text = line[:-2]
        in_header = in_header and bool(text)
        if text.startswith(b".") and not text.startswith(b".\r"):
            text = text[1:]
        stored += text + b"\n"
        line = b""
    return Unfinished()
