"""The host name of a client's address: from /etc/hosts, else from the DNS (SPEC sections 1 and 9).

With $DNSCACHEIP /etc/hosts is not read, as in tcpserver.
"""

from __future__ import annotations

import posix

from ..smtp import ip
from .dnsname import askable
from .resolver import Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = "/etc/hosts"
MOST_OF_HOSTS = 1 << 20  # bytes of /etc/hosts that are read


def host_name(env: dict[bytes, bytes], address: bytes, seconds: float) -> bytes | None:
    """The name of an address; None if it has none, if it is no valid host name, or if the DNS gives no answer within
    `seconds`. Raises OSError if this host lacks something (see resolver.py)."""
    packed = ip.parse(address)
    if packed is None:
        return None
    name = None if b"DNSCACHEIP" in env else _of_hosts(packed)
    if name is None:
        names = Resolver(env, seconds).ask(ip.pointer(packed), "PTR").records
        name = names[0] if names else b""
    return name if askable(name) else None


def _of_hosts(packed: bytes) -> bytes | None:
    """The first name that hosts(5) gives an address."""
    try:
        fd = posix.open(HOSTS, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        hosts = posix.read(fd, min(posix.fstat(fd).st_size, MOST_OF_HOSTS))
    finally:
        posix.close(fd)
    text = ip.text(packed)
    for line in _lines_with((text, b":"), hosts):
        words = line.partition(b"#")[0].split(None, 2)
        if len(words) > 1 and (words[0] == text or (b":" in words[0] and ip.parse(ip.bare(words[0])) == packed)):
            return words[1]
    return None


def _lines_with(parts: tuple[bytes, ...], text: bytes) -> Iterator[bytes]:
    """The lines that contain one of `parts`, in order. No other line is even cut out: on some hosts the file lists
    100,000 names to be blocked, and to split all of it takes longer than a session."""
    places = {part: text.find(part) for part in parts}
    while found := [place for place in places.values() if place >= 0]:
        at = min(found)
        end = text.find(b"\n", at)
        yield text[text.rfind(b"\n", 0, at) + 1 : end if end >= 0 else len(text)]
        if end < 0:
            return
        for part in [part for part, place in places.items() if 0 <= place < end]:
            places[part] = text.find(part, end)
