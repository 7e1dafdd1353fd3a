"""The name servers to ask (SPEC section 9): those of $DNSCACHEIP, else those of /etc/resolv.conf.

    nameservers(env)        [(family, socket address), ...] in order, at least one

$DNSCACHEIP holds `ip`, `ip:port` or `[v6]:port`, separated by blanks; other words are ignored. Of resolv.conf(5) only
the `nameserver` lines count, the first MOST of them; without any, 127.0.0.1 is asked, as other resolvers do. Raises
OSError for a resolv.conf that exists but cannot be read.
"""

from __future__ import annotations

import _socket

from ..smtp import ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    Server = tuple[int, tuple[str, int] | tuple[str, int, int, int]]

PORT = 53
MOST = 8
RESOLV_CONF = "/etc/resolv.conf"


def nameservers(env: dict[bytes, bytes]) -> list[Server]:
    servers = of_words(env.get(b"DNSCACHEIP", b"").split())
    if not servers:
        servers = of_words(_of_the_system())
    return servers or of_words([b"127.0.0.1"])


def of_words(words: list[bytes]) -> list[Server]:
    """The servers that the words name, each once, at most MOST."""
    found = [each for each in map(server, words) if each is not None]
    return list(dict.fromkeys(found))[:MOST]


def _of_the_system() -> list[bytes]:
    try:
        with open(RESOLV_CONF, "rb") as file:
            lines = file.read(1 << 16).split(b"\n")
    except FileNotFoundError:
        return []
    fields = [line.split() for line in lines]
    return [b"[%b]" % words[1] for words in fields if words[:1] == [b"nameserver"] and len(words) > 1]


def server(word: bytes) -> Server | None:
    """The server that a word names: `ip`, `ip:port`, `v6`, `[ip]` or `[v6]:port`; None for anything else."""
    if word.startswith(b"["):
        address, _, port = word[1:].partition(b"]")
    elif word.count(b":") == 1:
        address, port = word[: word.index(b":")], word[word.index(b":") :]
    else:
        address, port = word, b""
    packed, number = ip.parse(ip.bare(address)), _port(port)
    if packed is None or not 0 < number < 65536:
        return None
    text = ip.text(packed).decode()
    if len(packed) == 4:
        return _socket.AF_INET, (text, number)
    return _socket.AF_INET6, (text, number, 0, _scope(address.partition(b"%")[2].decode("latin1")))


def _port(text: bytes) -> int:
    """The port in `:NUMBER`; PORT for an empty text, 0 for anything else."""
    if not text:
        return PORT
    digits = text[1:] if text.startswith(b":") else b""
    return int(digits) if digits.isdigit() and len(digits) < 6 else 0


def _scope(zone: str) -> int:
    """The number of an interface (`fe80::1%eth0`), 0 for none."""
    try:
        return int(zone) if zone.isdecimal() and len(zone) < 10 else _socket.if_nametoindex(zone) if zone else 0
    except (OSError, ValueError):
        return 0
