"""The host name of a client's address: from /etc/hosts, else from the DNS (SPEC sections 1 and 9).

With $DNSCACHEIP /etc/hosts is not read, as in tcpserver.
"""

from __future__ import annotations

import posix

from ..smtp import ip
from .dnsname import askable
from .resolver import Resolver

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
        lines = posix.read(fd, min(posix.fstat(fd).st_size, MOST_OF_HOSTS)).split(b"\n")
    finally:
        posix.close(fd)
    text = ip.text(packed)
    for line in lines:
        words = line.partition(b"#")[0].split(None, 2)
        if len(words) > 1 and (words[0] == text or (b":" in words[0] and ip.parse(ip.bare(words[0])) == packed)):
            return words[1]
    return None
