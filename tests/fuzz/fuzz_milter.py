"""Fuzz the milter codec: any bytes are packets or BadPacket, and a packet is written the way it was read."""

from __future__ import annotations

from qmail_smtpd.filters.milter import ANSWERS, COMMANDS, BadPacket, Packets, pack, unpack


def one_input(data: bytes) -> None:
    """The first byte says which side sends; the second, how the rest is cut."""
    table = COMMANDS if data[:1] < b"\x80" else ANSWERS
    step = (data[1] if len(data) > 1 else 0) + 1
    packets = Packets()
    try:
        for start in range(2, len(data), step):
            packets.receive(data[start : start + step])
            while (packet := packets.next()) is not None:
                assert pack(table, *unpack(table, packet))[4:] == packet
    except BadPacket:
        pass
