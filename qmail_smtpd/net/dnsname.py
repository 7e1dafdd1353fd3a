"""Which names the DNS can be asked for, and which servers $DNSCACHEIP names. No I/O, light to import.

Names are text without escapes, servers `ip`, `ip:port` or `[v6]:port` (SPEC section 9; RFC 1035 section 2.3.4).
"""

from __future__ import annotations

PORT = 53
LONGEST_NAME, LONGEST_LABEL = 253, 63  # as text

_LABEL = frozenset(range(33, 127)) - frozenset(b"\\.")  # c-ares would take a backslash as an escape


def askable(name: str) -> bool:
    """Whether a name fits into a question as it stands: labels of 1 to 63 visible ASCII characters. One dot at the
    end is welcome. Without this a NUL or a backslash would make c-ares ask for some other name."""
    labels = name[:-1].split(".") if name.endswith(".") else name.split(".")
    if sum(map(len, labels)) + len(labels) - 1 > LONGEST_NAME:
        return False
    return all(0 < len(label) <= LONGEST_LABEL and _LABEL.issuperset(map(ord, label)) for label in labels)


def nameservers(text: bytes) -> list[tuple[int, list[str]]]:
    """The servers of $DNSCACHEIP as (port, addresses), in order. pycares knows one port for all servers of a
    channel: only neighbours with the same port share one."""
    groups: list[tuple[int, list[str]]] = []
    for word in text.decode("latin1").split():
        ip, port = _server(word)
        if not is_ip(ip) or not 0 < port < 65536:
            continue
        if groups and groups[-1][0] == port:
            groups[-1][1].append(ip)
        else:
            groups.append((port, [ip]))
    return groups


def _server(word: str) -> tuple[str, int]:
    """`ip`, `ip:port`, `v6`, `[v6]` or `[v6]:port` in its parts; a port that is none becomes 0."""
    if word.startswith("["):
        ip, _, port = word[1:].partition("]")
    elif word.count(":") == 1:
        ip, port = word[: word.index(":")], word[word.index(":") :]
    else:
        ip, port = word, ""
    if not port:
        return ip, PORT
    digits = port[1:] if port.startswith(":") else ""
    return ip, int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 0


def is_ip(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address, written as inet_pton wants it."""
    import _socket  # the C part alone: `socket` costs as much as the whole session

    try:
        _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text)
    except (OSError, ValueError):  # ValueError: not even ASCII, or a NUL
        return False
    return True
