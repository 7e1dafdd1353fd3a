"""The Received field that is put before each message (SPEC section 6; RFC 5321 section 4.4). Pure; raises nothing.

    Received: from REMOTEHOST (HELO helo) (REMOTEINFO@[REMOTEIP])
              (envelope-sender <SENDER>)
              by LOCAL (qmail-...) with PROTOCOL
              for <FIRSTRECIPIENT>; 26 Sep 1995 04:46:54 -0000

What a client sent is filtered: SAFE bytes stay, every other becomes '?'. It is also cut: no line that we write is
longer than RFC 5322 section 2.1.1 allows, since the next mail server could refuse the message for it.
"""

from __future__ import annotations

from time import gmtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import Client

PRODUCT = b"qmail-smtpd-py"  # begins with "qmail-": SpamAssassin recognises the format by that
SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.@%+/=:-_#[]"

LONGEST_LINE = 998  # bytes, the LF not counted
LONGEST_NAME, LONGEST_IP = 255, 64  # bytes
LONGEST_HELO = 320
LONGEST_ADDRESS = 900

_OTHERS = bytes(range(256)).translate(None, SAFE)
_FILTER = bytes.maketrans(_OTHERS, b"?" * len(_OTHERS))
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def safe(text: bytes, most: int = LONGEST_NAME) -> bytes:
    """Text of a client, cut to `most` bytes, with '?' for every byte that is not in SAFE."""
    return text[:most].translate(_FILTER)


def bounded(fields: bytes) -> bytes:
    """Header fields with each line cut to LONGEST_LINE bytes."""
    if len(fields) <= LONGEST_LINE:
        return fields
    return b"\n".join(line[:LONGEST_LINE] for line in fields.split(b"\n"))


def date(seconds: float) -> bytes:
    """Seconds since the epoch as qmail writes them: GMT, no leading zero on the day."""
    t = gmtime(seconds)
    return b"%d %b %d %02d:%02d:%02d -0000" % (t[2], _MONTHS[t[1] - 1], t[0], t[3], t[4], t[5])


def trace_header(
    client: Client, helo: bytes | None, info: bytes | None, sender: bytes, recipient: bytes, protocol: bytes, now: float
) -> bytes:
    """The whole field, with LF line ends. `helo`: None if the client sent none; `info`: the user that ident or AUTH
    named; `recipient`: the first one; `protocol` is written as it is; `now`: seconds since the epoch."""
    hello = b""
    if helo is not None and helo.lower() != client.host.lower():
        hello = b" (HELO %b)" % safe(helo, LONGEST_HELO)
    ident = b"" if info is None else b"%b@" % safe(info)
    return b"""Received: from %b%b (%b[%b])
          (envelope-sender <%b>)
          by %b (%b) with %b
          for <%b>; %b
""" % (
        safe(client.host),
        hello,
        ident,
        safe(client.ip, LONGEST_IP),
        safe(sender, LONGEST_ADDRESS),
        safe(client.local),
        PRODUCT,
        protocol,
        safe(recipient, LONGEST_ADDRESS),
        date(now),
    )
