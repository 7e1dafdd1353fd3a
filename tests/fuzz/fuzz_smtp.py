"""Fuzz the protocol: the same events come of the same bytes however they are cut, and none is refused by a crash."""

from __future__ import annotations

from qmail_smtpd.smtp import replies
from qmail_smtpd.smtp.events import Auth, Data, EndOfMessage, MessageBlock
from qmail_smtpd.smtp.protocol import Protocol

ANSWERS = {Data: replies.GO_AHEAD, Auth: replies.ASK_RESPONSE}


def one_input(data: bytes) -> None:
    """The first byte says how the rest is cut."""
    step = (data[0] if data else 0) + 1
    pieces = [data[start : start + step] for start in range(1, len(data), step)]
    assert talk(pieces) == talk([data[1:]])


def talk(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    """What came of it: events by name, blocks of a message as one."""
    protocol = Protocol()
    seen: list[tuple[str, bytes]] = []
    for piece in pieces:
        protocol.receive(piece)
        while (event := protocol.next_event()) is not None:
            if isinstance(event, MessageBlock):
                before = seen.pop()[1] if seen and seen[-1][0] == "block" else b""
                seen.append(("block", before + event.block))
                continue
            size = b"%d" % event.size if isinstance(event, EndOfMessage) else b""
            seen.append((type(event).__name__, size))
            refusal = protocol.out_of_sequence(event)
            protocol.reply(event, refusal or ANSWERS.get(type(event), replies.NOTHING_DONE))
    return seen
